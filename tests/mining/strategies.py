import numpy as np
from hypothesis import strategies as st

# Few items, so that baskets meet in them; some names that sort unlike their first appearance.
ITEMS = ("milk", "Eggs", "茶", "bread", "éclair", "a+b")


@st.composite
def shops(draw):
    """Baskets of a small shop, and how many baskets it counts in all."""
    baskets = draw(st.lists(st.sets(st.sampled_from(ITEMS), min_size=1), max_size=14))
    without_item = draw(st.integers(0, 4))
    contents = {f"shop:{number}": items for number, items in enumerate(baskets)}
    return contents, len(contents) + without_item


# Halves, thirds and fifths of small counts: thresholds on which many rules stand exactly.
shares = st.sampled_from(["0.05", "0.1", "0.2", "0.25", "0.3", "0.4", "0.5", "0.6", "0.8", "1"])
lifts = st.sampled_from(["0", "0.8", "1", "1.2", "1.25", "1.5", "2"])


@st.composite
def wide_shops(draw):
    """Dozens of baskets of dozens of items of uneven popularity, some bought together."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    basket_count, item_count = draw(st.integers(20, 120)), draw(st.integers(5, 60))
    popularity = random.random(item_count) ** draw(st.sampled_from([1, 2, 4]))
    bundle = random.random(item_count) < 0.1
    contents = {}
    for number in range(basket_count):
        chosen = random.random(item_count) < popularity * random.choice([0.1, 0.3, 0.7])
        if random.random() < 0.3:
            chosen |= bundle
        contents[f"shop:{number}"] = {f"item {column}" for column in np.flatnonzero(chosen)}
    return contents, basket_count
