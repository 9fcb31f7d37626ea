"""How many SMS a body takes: 160 GSM-7 septets or 70 UTF-16 units alone, 153 or 67 when joined."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")


def segments(body: str) -> int:
    """Number of SMS; at least 1, as Twilio bills an empty one."""
    if all(letter in _BASIC or letter in _EXTENDED for letter in body):
        return _count([2 if letter in _EXTENDED else 1 for letter in body], 160, 153)
    return _count([2 if ord(letter) > 0xFFFF else 1 for letter in body], 70, 67)


def _count(widths: list[int], alone: int, joined: int) -> int:
    """A letter of two units is never cut between two segments."""
    if sum(widths) <= alone:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > joined:
            count, used = count + 1, 0
        used += width
    return count
