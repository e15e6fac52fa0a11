"""The itemset miner beside its peers."""
