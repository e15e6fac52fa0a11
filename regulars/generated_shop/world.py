"""What all people of a generated shop have in common: small, made anew in each process."""

from dataclasses import dataclass

from regulars.generated_shop.calendar import Calendar, make_calendar
from regulars.generated_shop.campaigns import Campaigns, make_campaigns
from regulars.generated_shop.catalogue import Catalogue, make_catalogue
from regulars.generated_shop.settings import ShopSettings
from regulars.generated_shop.staff import Staff, make_staff


@dataclass(frozen=True)
class World:
    """The calendar, the catalogue, the staff and the campaigns of one shop."""

    settings: ShopSettings
    calendar: Calendar
    catalogue: Catalogue
    staff: Staff
    campaigns: Campaigns


def make_world(settings: ShopSettings) -> World:
    """The same world for the same settings, in whatever process."""
    calendar = make_calendar(settings)
    return World(
        settings,
        calendar,
        make_catalogue(settings, calendar),
        make_staff(settings, calendar),
        make_campaigns(settings, calendar),
    )
