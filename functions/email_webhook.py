"""email_webhook: a mail to one of our addresses, by which a member proves an e-mail.

Trigger: HTTPS from SendGrid's Inbound Parse, proven by signature, for every mail to our domain.
Does:    where the sender is proven by DKIM, and the address written to holds a token made for that
         sender, records it (sql/functions/record_email_verified.sql), once for each token, and
         wakes the event processor. Any other mail changes nothing.
Answers: 204 to every mail, and nobody is told what it lacked; 403 to anybody but SendGrid; 400, 405
         or 413 with one sentence; 503 when nothing could be recorded, so that SendGrid tries again.
"""

from flask import Request, Response

from lib.adapters import pubsub, sendgrid_forms, supabase
from lib.adapters.bad_call import BadCall
from lib.core import log, trace
from lib.core.ids import derived_id
from lib.core.settings import EmailSettings, MailProviderSettings, load
from lib.domain.mail import ProvenMail, proven
from lib.domain.verification import Addresses, Token

log.setup()
_log = log.get("email_webhook")
_email = load(EmailSettings)
_addresses = Addresses(_email.email_token_secret, _email.email_domain)
_forms = sendgrid_forms.MailForms(load(MailProviderSettings))
_database = supabase.connect()
_publish = pubsub.connect()


@trace.function
@trace.step(_log, "mail")
def email_webhook(request: Request) -> Response:
    """Entry point."""
    try:
        received = _forms.read(
            request.method,
            request.headers.get("Content-Type", ""),
            request.headers.get(sendgrid_forms.SIGNATURE_HEADER, ""),
            request.headers.get(sendgrid_forms.TIME_HEADER, ""),
            request.get_data(cache=False),
        )
    except BadCall as refusal:
        trace.warn(outcome="refused", status=refusal.status)
        return Response(refusal.sentence, refusal.status, mimetype="text/plain")
    mail = proven(received.headers, received.signed_by)
    token = _token(mail) if mail else None
    if token is None:
        trace.say(outcome="no token" if mail else "not proven")
        return Response(status=204)
    try:
        answer = _database.call(
            "record_email_verified",
            proof={
                "event_id": derived_id(token.token_id, "event"),
                "user_id": token.user_id,
                "email": token.email,
                "token_id": token.token_id,
                "expires_at": token.expires_at,
            },
        )
    except supabase.DatabaseError as error:
        trace.fail(error, outcome="unrecorded")
        return Response("The mail could not be recorded.", 503, mimetype="text/plain")
    trace.say(
        outcome=answer["outcome"],
        event_id=answer["event_id"],
        user=log.user_hash(token.user_id),
    )
    if answer["event_id"]:
        _publish([answer["event_id"]])
    return Response(status=204)


def _token(mail: ProvenMail) -> Token | None:
    """The first token among the recipients that was made for the sender."""
    tokens = (_addresses.read(recipient, mail.sender) for recipient in mail.recipients)
    return next((token for token in tokens if token), None)
