"""`make bench`: every measurement, one after another, on this machine."""

import os
import platform

from benchmarks import claims, imports, ledger, orchestrator, processing, queues, texts, tokens
from local import pubsub_emulator
from tests.support.mail import PUBLIC_KEY
from tests.support.stack import running_stack


def main() -> None:
    """Run all of them and print what they find."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    tokens.measure()
    with running_stack({"LOG_LEVEL": "INFO", "SIM_DELIVERY_MS": "400"}) as stack:
        texts.measure(stack)
        processing.measure(stack)
        twilio, supabase = stack.description["twilio"], stack.description["supabase"]
        functions = stack.description["functions"]
        environment = {
            "SUPABASE_URL": supabase["url"],
            "SUPABASE_SERVICE_ROLE_KEY": supabase["key"],
            "TWILIO_ACCOUNT_SID": twilio["account_sid"],
            "TWILIO_AUTH_TOKEN": twilio["auth_token"],
            "TWILIO_NUMBER": twilio["number"],
            "TWILIO_WEBHOOK_URL": functions["twilio_webhook"],
            "TWILIO_STATUS_URL": functions["twilio_status"],
            "ANTHROPIC_API_KEY": "simulator",
            "EMAIL_TOKEN_SECRET": "s" * 32,
            "EMAIL_DOMAIN": "in.yachtparty.test",
            "SENDGRID_PUBLIC_KEY": PUBLIC_KEY,
        }
    if pubsub_emulator.find():
        with running_stack({"PUBSUB_EMULATOR": "1"}) as stack:
            processing.measure(stack)
    with running_stack() as stack:
        orchestrator.measure(stack)
    imports.measure(environment)
    claims.measure()
    ledger.measure()
    queues.measure()


if __name__ == "__main__":
    main()
