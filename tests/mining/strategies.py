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
