"""What each table and column of truth/ says: the one home of these words.

They are written into truth/columns.parquet, for whoever opens the files, and stand in
docs/generated-shop-truth.md, which a test holds to them.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import pyarrow as pa


class Described(NamedTuple):
    """A table: what it has a row for, and what its columns say."""

    row: str
    columns: Mapping[str, str]


_ORDER: Final = {
    "source": "the system that took the order",
    "order_id": "number of the order in that system",
}
_RECORD: Final = {
    "source": "the system",
    "source_customer_id": "the customer's id in that system",
}

TABLES: Final[Mapping[str, Described]] = {
    "columns": Described(
        "column of a file in this folder",
        {
            "table_name": "the file's name without its ending",
            "table_row": "what that file has a row for",
            "column_name": "the column",
            "description": "what the column says, with its unit",
        },
    ),
    "people": Described(
        "person, as of the last night",
        {
            "person_id": "the person; in all tables here",
            "family_number": "the family; its first member's number",
            "household": "kind of family",
            "family_role": "head, spouse, child or grandparent",
            "kind": "consumer, or business: who buys for a business account",
            "business_number": "the account, its first contact's number; null of consumers",
            "business_name": "its name; null of consumers",
            "sex": "female or male",
            "birth_date": "date of birth",
            "family_name": "family name at birth, in characters",
            "given_name": "given name, in characters",
            "family_name_latin": "its pinyin",
            "given_name_latin": "its pinyin",
            "english_name": "the English name that they also go by; null for none",
            "phone": "phone number now; a family may share its head's",
            "email": "e-mail address; a family may share its head's; null for none",
            "province": "province now",
            "city": "city now",
            "address": "street and house now",
            "country": "country now",
            "income_band": "monthly income of the family in yuan; null where nobody knows it",
            "married_on": "wedding day of a couple, also before the data; null of others",
            "married_family_name": "family name since the wedding; null where it did not change",
            "married_family_name_latin": "its pinyin",
            "phone_changed_on": "first day of the phone number now; null where it never changed",
            "old_phone": "the number until the day before",
            "moved_on": "first day at the address now; null where they never moved",
            "old_address": "street and house until the day before",
            "old_city": "city until the day before",
            "old_province": "province until the day before",
            "old_country": "country until the day before",
            "is_prospect": "never bought, and never will",
            "known_on": "day since which the firm knows them: before won_on for who was a lead; "
            "the first record is of the evening before",
            "won_on": "day of the first purchase, also before the data; of a prospect, of contact",
            "purchases": "orders in the data that were paid, without returns",
            "weekly_rate": "purchases of their own process in a week of the season's time (7 of "
            "calendar.intensity), without the factors of a salesperson and of a customised bond; "
            "null of prospects",
            "weekly_hazard": "hazard of dropping out by themselves in a week of the calendar, with "
            "the factor of satisfaction and without that of a structural bond; null of prospects",
            "gone_on": "day on which they dropped out for good; null of who is still there, and of "
            "prospects",
            "gone_because": "by themselves, with their salesperson or by a failure",
            "is_alive": "a customer who has not dropped out",
            "behaviour": "how they buy: poisson as the models assume, regular by the clock, "
            "pausing for months, clumpy; null of prospects",
            "pause_begins_on": "first day of a pausing person's pause",
            "pause_ends_on": "its end",
            "life_event": "exam, child or job, which brings purchases; null for none",
            "life_event_on": "its day",
            "main_channel": "the system that they mostly buy in: an order is of another one, "
            "of those that they use by then, with a chance below a fifth",
            "favourite_category": "the category that they like best, also of prospects, who look "
            "at it",
            "second_category": "the next; it may be the same",
            "answer_wait": "how long they wait for an answer to complaints and questions, as a "
            "factor on the time; its log is normal",
            "satisfaction": "with the firm, standard normal over people: less for who waits long, "
            "shown by ratings, and a factor on the hazard of dropping out (levers)",
            "referred_by": "the person who brought them: one of the customers of known_on; null "
            "for none",
            "acquisition_way": "how they say they came where they name no friend: by chance",
            "first_owner": "the salesperson whose customer they were first, by the lists; null "
            "for none",
            "second_owner": "the salesperson on whose list they came when the first left, "
            "gone or not; null for none",
            "orphaned_on": "day on which a customer's last owner left, with nobody to take over",
            "has_financial_bond": "member of the loyalty scheme, who collects points",
            "has_structural_bond": "member whom the web shop delivers to without shipping",
            "has_customised_bond": "member with a reading list of their own",
            "has_social_bond": "member who holds a social bond",
            "bonds_since": "day on which they joined the scheme, since when their bonds have their "
            "effect; null of others",
        },
    ),
    "calendar": Described(
        "day, from a year before the data to the last night",
        {
            "on_date": "the day, in China",
            "intensity": "how much is bought on it: season, weekday, festivals, growth; mean 1",
            "is_sale": "the whole shop sells at a discount",
        },
    ),
    "records": Described(
        "record of a person in a system",
        {
            **_RECORD,
            "person_id": "whose record it is",
            "list_owner": "the salesperson on whose list it stands, or the branch's manager; "
            "null outside the branches",
            "registered_at": "since when the system has it",
            "corruptions": "what was done to it, of the kinds in regulars/generated_shop/"
            "records.py; empty where it says what was true when it was registered",
        },
    ),
    "orders": Described(
        "order, returns too",
        {
            **_ORDER,
            "person_id": "who bought, also where the order names nobody",
            "source_customer_id": "the record that the order names; null of an anonymous one",
            "ordered_at": "when",
            "returned_order_id": "the order that a return brings back; null of a sale",
            "is_cancelled": "and never paid",
            "cause": "first, own (their own process), life_event or campaign; null of a return",
            "caused_by_campaign": "the campaign without which there were no such order",
            "failure": "what went wrong: late, damaged or wrong item; null for nothing",
            "complained_to": "the agent who took the customer's complaint, up to three days later; "
            "null where nobody complained",
            "is_recovered": "the failure was made good",
            "lines": "order lines in the end, shipping, tax and all",
            "merchandise_revenue": "net of discounts, in the source's currency",
            "net_revenue": "of all lines, in the source's currency",
            "merchandise_cost": "of the pieces, in yuan",
        },
    ),
    "planted_lines": Described(
        "order line that no taste chose",
        {
            **_ORDER,
            "product_id": "the product",
            "cause": "bundle, sequence or decoy",
        },
    ),
    "bundles": Described(
        "planted pair of one order",
        {
            "first_product_id": "who takes this one",
            "second_product_id": "also takes this one",
            "strength": "with this chance",
        },
    ),
    "sequences": Described(
        "planted pair over orders",
        {
            "first_product_id": "who takes this one",
            "second_product_id": "takes this one in their next order after the wait",
            "strength": "with this chance, if such an order comes",
            "least_wait_days": "the least wait in days",
            "mean_wait_days": "the mean wait in days",
            "is_upgrade": "the second is of the same category, and dearer",
        },
    ),
    "decoy_products": Described(
        "popular product that is related to nothing",
        {
            "product_id": "the product",
            "confounder": "what makes it look related: sale days, business or none",
            "basket_share": "share of baskets that hold it, where the confounder is not",
            "basket_share_within": "share of baskets that hold it, where the confounder is",
        },
    ),
    "tastes": Described(
        "category of each group of age and sex",
        {
            "age_group": "by the year of an order less that of birth",
            "sex": "female or male",
            "category": "the category",
            "share": "of the lines of taste of people of the group, favourites and all; price "
            "moves and life events aside",
        },
    ),
    "life_events": Described(
        "kind of life event",
        {
            "life_event": "exam, child or job",
            "first_day": "of its window, in days since people.life_event_on",
            "last_day": "of its window",
            "purchases_added": "in the window, on average (Poisson), of who is a customer by then",
            "category": "what is bought in the window",
            "share_of_lines": "of the lines of taste in the window that are of this category, "
            "beside those that would be",
        },
    ),
    "price_moves": Described(
        "product type that became dearer",
        {
            "product_type": "the type, with its category",
            "moved_on": "first day of the new prices",
            "price_factor": "new price over old",
            "elasticity": "of demand: change of its log over that of the price; 0: nobody minds",
        },
    ),
    "campaigns": Described(
        "campaign",
        {
            "campaign_id": "the campaign",
            "purchases_added_per_active_person": "chance that it adds an order of a customer whom "
            "it reached",
            "is_decoy": "it adds nothing",
        },
    ),
    "campaign_contacts": Described(
        "person whom a campaign chose",
        {
            "campaign_id": "the campaign",
            "person_id": "the person",
            "is_holdout": "chosen at random not to be contacted",
            **_RECORD,
            "chosen_at": "when they were contacted, or would have been",
            "was_active": "a customer then, who would not drop out by themselves or with their "
            "salesperson in the 14 days in which the campaign works: known before it works, "
            "so those held out compare with those reached",
        },
    ),
    "employees": Described(
        "employee",
        {
            "employee_id": "the employee",
            "role": "salesperson, manager or agent",
            "effect_on_log_rate": "a salesperson's effect on the log of their customers' rate, "
            "while they own them",
            "chance_to_recover": "an agent's chance to make a failure good",
            "left_on": "first day without them; null of who is still there",
        },
    ),
    "levers": Described(
        "lever that may move customers",
        {
            "lever": "what is done, or happens",
            "effect": "what it does",
            "unit": "of the effect; 0 purchases or a factor of 1: nothing",
        },
    ),
    "malformed": Described(
        "broken record in a file",
        {
            "file": "path in the shop's folder",
            "line": "physical line, counted from 1",
            "kind": "too few fields, or no key",
        },
    ),
    "deliveries": Described(
        "delivery of an order of the nights, or of one that a night corrects",
        {
            **_ORDER,
            "night": "0: the history; 1: the day after it",
            "form": "final, wrong quantity, without last line, last line, not yet cancelled",
        },
    ),
}


def columns_table() -> pa.Table:
    """The descriptions as truth/columns.parquet holds them, a row a column."""
    rows = list(_rows())
    names = list(TABLES["columns"].columns)
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=names)


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for table, (row, columns) in TABLES.items():
        for column, description in columns.items():
            yield table, row, column, description


def page() -> str:
    """The descriptions as docs/generated-shop-truth.md shows them."""
    parts = [
        "# The truth of a generated shop, column by column",
        "What each file in `truth/` says; [generated-shop.md](generated-shop.md) says what they "
        "are for. The same words lie beside the files:",
        "```sql\nfrom 'shop/truth/columns.parquet' where table_name = 'people'\n```",
        "Ids are the sources' own. Times are UTC, dates China's. `deliveries` is there where "
        "nights are. `regulars/generated_shop/truth_columns.py` holds these words; "
        "`python -m regulars.generated_shop.truth_columns > docs/generated-shop-truth.md` writes "
        "this page.",
    ]
    for table, (row, columns) in TABLES.items():
        lines = [f"| `{column}` | {description} |" for column, description in columns.items()]
        parts += [
            f"## {table}",
            f"A row for each {row}.",
            "\n".join(["| column | says |", "|---|---|", *lines]),
        ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(page(), end="")
