"""Where the phones page finds the parts of the stack it shows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhonesConfig:
    """Addresses of one running stack.

    Attributes:
        database_url: a libpq URL or connection string of the stack's database.
        twilio_url: base URL of the Twilio simulator, or None when the real Twilio is used
            (then the page shows the database's messages and cannot text).
        claude_url: base URL of the Messages API in use, or None for Anthropic's own.
        twilio_simulated: whether texts go to the simulator; shown as a badge.
        claude_simulated: whether answers come from the simulator; shown as a badge.
        number: the product's own number, E.164.
        clock_url: `GET`/`POST {"advance_s": n}`, the stack's clock.
        schedules: name to the URL that runs this schedule now.
        twilio_control: URL that makes the Twilio simulator fail, or None.
        claude_control: URL that makes the Claude simulator fail, or None.
        mail_url: URL that delivers a mail to the system, or None where real mail does.
    """

    database_url: str
    twilio_url: str | None
    claude_url: str | None
    twilio_simulated: bool
    claude_simulated: bool
    number: str
    clock_url: str
    schedules: dict[str, str]
    twilio_control: str | None
    claude_control: str | None
    mail_url: str | None = None
