"""Rules 1 to 4 and 15: locks, their order, time, limits."""

from tests.mutants import Mutant

WAITS_FIRST = (
    "test_whoever_works_for_a_member_waits_for_the_one_before_then_writes_then_reads_the_clock"
)
GIVES_UP = "test_every_call_that_may_wait_for_a_lock_gives_up_after_two_seconds"
MOST = "test_no_call_hands_out_more_than_its_most"


def without_lock(function: str, old: str = "lock_member(v_user_id)", new: str = "1") -> Mutant:
    """A function that does not take the member's lock."""
    return Mutant(
        1, f"{function}-without-lock", f"functions/{function}.sql", old, new, (WAITS_FIRST,)
    )


def impatient(function: str, old: str, new: str) -> Mutant:
    """A function that reads the clock before it waits."""
    return Mutant(
        3, f"{function}-reads-clock-early", f"functions/{function}.sql", old, new, (WAITS_FIRST,)
    )


MUTANTS = (
    Mutant(
        1,
        "lock-member-locks-nothing",
        "functions/lock_member.sql",
        "where id = p_user_id for no key update;",
        "where id = p_user_id;",
        (
            WAITS_FIRST,
            "test_of_two_claims_at_once_for_one_member_one_is_told_busy",
        ),
    ),
    Mutant(
        1,
        "fifty-overlapping-turns",
        "functions/lock_member.sql",
        "where id = p_user_id for no key update;",
        "where id = p_user_id;",
        ("test_fifty_overlapping_turns_of_one_member_never_run_two_at_a_time",),
    ),
    Mutant(
        1,
        "lock-member-holds-up-references",
        "functions/lock_member.sql",
        "where id = p_user_id for no key update;",
        "where id = p_user_id for update;",
        ("test_who_holds_a_member_holds_up_no_row_that_refers_to_them",),
    ),
    without_lock("record_inbound"),
    without_lock("claim_event", "and lock_member(v_event.aggregate_id) then", "then"),
    without_lock("commit_work", "perform lock_member(v_member);", "perform 1;"),
    without_lock("fail_event", "lock_member(v_source.aggregate_id)", "1"),
    without_lock("fail_task", "lock_member(v_task.user_id)", "1"),
    without_lock("reread_task", "lock_member(v_task.user_id)", "1"),
    without_lock("claim_texts", "lock_member(v_candidate)", "1"),
    without_lock("record_sends"),
    without_lock("record_delivery", "perform lock_member(v_user_id);", "perform 1;"),
    without_lock("settle_send", "lock_member(v_text.user_id)", "1"),
    Mutant(
        1,
        "commit_batch-without-lock",
        "functions/commit_batch.sql",
        "perform lock_member(v_member);",
        "perform 1;",
        (
            "test_a_batch_waits_for_whoever_works_for_its_members_and_then_reads_the_clock"
            "_and_tells",
        ),
    ),
    Mutant(
        1,
        "claim-event-keeps-what-it-read-before-the-lock",
        "functions/claim_event.sql",
        "    select * into v_event from events where id = p_event_id for update;\n",
        "",
        ("test_a_claim_that_waited_sees_what_the_holder_before_it_finished",),
    ),
    Mutant(
        1,
        "texts-ignore-tasks",
        "functions/member_is_busy.sql",
        "and (status = 'processing') is true",
        "and (status = 'nothing') is true",
        ("test_a_text_waits_while_a_task_of_its_member_is_claimed_and_is_then_told_busy",),
    ),
    Mutant(
        1,
        "tasks-ignore-texts",
        "functions/claim_tasks.sql",
        " or member_is_busy(v_user_id, p_token, v_now)",
        "",
        ("test_a_task_is_passed_over_while_a_text_of_its_member_is_claimed_and_decided",),
    ),
    Mutant(
        1,
        "a-batch-of-tasks-waits",
        "functions/claim_tasks.sql",
        "for no key update of u skip locked",
        "for no key update of u",
        ("test_a_batch_of_tasks_leaves_out_members_whom_somebody_holds",),
    ),
    Mutant(
        1,
        "a-batch-of-texts-waits",
        "functions/claim_texts.sql",
        "for no key update skip locked;",
        "for no key update;",
        ("test_a_batch_of_texts_leaves_out_members_whom_somebody_holds",),
    ),
    Mutant(
        1,
        "sweepers-wait",
        "functions/sweep_events.sql",
        "for update skip locked",
        "for update",
        ("test_two_sweepers_at_once_hand_out_each_event_once",),
    ),
    Mutant(
        1,
        "reconcilers-wait",
        "functions/claim_stuck_sends.sql",
        "for update skip locked",
        "for update",
        ("test_two_sweepers_at_once_look_up_each_stuck_text_once",),
    ),
    Mutant(
        2,
        "members-locked-as-they-come",
        "functions/commit_work.sql",
        "foreach v_member in array v_members loop",
        "foreach v_member in array array(select m from unnest(v_members) as m"
        " order by position(m::text in p_work::text)) loop",
        ("test_units_that_change_the_same_members_in_opposite_order_are_both_applied",),
    ),
    Mutant(
        2,
        "members-locked-when-changed",
        "functions/commit_work.sql",
        "foreach v_member in array v_members loop",
        "foreach v_member in array array_remove(array[v_owner], null) loop",
        ("test_units_that_change_the_same_members_in_opposite_order_are_both_applied",),
    ),
    Mutant(
        2,
        "a-batch-locked-the-other-way",
        "functions/record_sends.sql",
        "as r order by 1\n",
        "as r order by 1 desc\n",
        ("test_a_unit_and_the_outcome_of_a_batch_about_the_same_members_are_both_applied",),
    ),
    Mutant(
        2,
        "units-of-a-batch-locked-as-they-come",
        "functions/commit_batch.sql",
        "foreach v_member in array v_members loop",
        "foreach v_member in array array(select m from unnest(v_members) as m"
        " order by position(m::text in p_units::text)) loop",
        ("test_a_batch_and_a_unit_about_the_same_members_are_both_applied",),
    ),
    Mutant(
        2,
        "rows-locked-as-they-come",
        "functions/commit_work.sql",
        "            order by c.value ->> 'table', c.value ->> 'id'\n",
        "",
        ("test_units_that_change_the_same_rows_in_opposite_order_are_both_applied",),
    ),
    Mutant(
        2,
        "a-deadlock-is-an-error",
        "functions/commit_work.sql",
        "when lock_not_available or deadlock_detected then",
        "when lock_not_available then",
        ("test_a_deadlock_with_a_strangers_transaction_is_retry_and_the_lease_is_kept",),
    ),
    Mutant(
        2,
        "any-number-of-members",
        "functions/commit_work.sql",
        "c_max_members constant integer := 100;",
        "c_max_members constant integer := 1000;",
        ("test_a_unit_of_work_touches_at_most_a_hundred_members",),
    ),
    impatient(
        "record_inbound",
        "v_now := coalesce(p_now, clock_timestamp());",
        "v_now := coalesce(p_now, statement_timestamp());",
    ),
    impatient(
        "claim_event",
        "v_now := coalesce(p_now, clock_timestamp());",
        "v_now := coalesce(p_now, statement_timestamp());",
    ),
    impatient(
        "commit_work",
        "order by id for update;\n        v_now := coalesce(p_now, clock_timestamp());",
        "order by id for update;\n        v_now := coalesce(p_now, statement_timestamp());",
    ),
    impatient(
        "claim_texts",
        "            v_now := coalesce(p_now, clock_timestamp());\n",
        "",
    ),
    impatient(
        "record_sends",
        "v_now := coalesce(p_now, clock_timestamp());",
        "v_now := coalesce(p_now, statement_timestamp());",
    ),
    Mutant(
        4,
        "a-call-that-waits-for-ever",
        "functions/claim_event.sql",
        "set lock_timeout = '2s'\n",
        "",
        (GIVES_UP,),
    ),
    Mutant(
        4,
        "a-timeout-is-an-error",
        "functions/claim_event.sql",
        "when lock_not_available or deadlock_detected then",
        "when deadlock_detected then",
        ("test_a_lock_that_is_not_to_be_had_in_two_seconds_is_retry_and_changes_nothing",),
    ),
    Mutant(
        4,
        "a-sweep-without-limit",
        "functions/sweep_events.sql",
        "v_limit integer := least(greatest(p_limit, 1), 200);",
        "v_limit integer := greatest(p_limit, 1);",
        (MOST,),
    ),
    Mutant(
        4,
        "texts-without-limit",
        "functions/claim_texts.sql",
        "least(greatest(p_limit, 1), 200)",
        "greatest(p_limit, 1)",
        (MOST,),
    ),
    Mutant(
        4,
        "reconciling-without-limit",
        "functions/claim_stuck_sends.sql",
        "limit least(p_limit, 200)",
        "limit p_limit",
        (MOST,),
    ),
    Mutant(
        4,
        "a-function-with-its-owners-rights",
        "functions/claim_event.sql",
        "volatile\nset",
        "volatile\nsecurity definer\nset",
        ("test_functions_pin_their_search_path_and_run_with_the_rights_of_the_caller",),
    ),
    Mutant(
        4,
        "a-function-without-search-path",
        "functions/lock_member.sql",
        "set search_path = public, pg_temp\n",
        "",
        ("test_functions_pin_their_search_path_and_run_with_the_rights_of_the_caller",),
    ),
    Mutant(
        4,
        "functions-open-to-all",
        "policies/002_grants.sql",
        "execute format('revoke all on %s %s from %s cascade',",
        "continue when v_object.kind = 'routine';"
        " execute format('revoke all on %s %s from %s cascade',",
        (
            "test_only_the_owner_and_the_service_role_may_call_a_function",
            "test_a_publishable_role_calls_no_function",
        ),
    ),
    Mutant(
        1,
        "a-proof-beside-other-work",
        "functions/record_email_verified.sql",
        "if not lock_member(v_user_id) then",
        "if v_user_id is null then",
        ("test_a_proof_waits_for_whoever_works_for_the_member_and_then_reads_the_address",),
    ),
    Mutant(
        12,
        "a-mail-again-is-refused",
        "functions/record_email_verified.sql",
        "if exists (select 1 from events where id = v_event_id) then",
        "if false then",
        ("test_the_same_mail_again_is_the_same_event",),
    ),
    Mutant(
        12,
        "a-token-used-twice",
        "indexes/events_one_verification_per_token.sql",
        "create unique index",
        "create index",
        ("test_a_token_verifies_once_also_after_the_address_was_changed_and_changed_back",),
    ),
    Mutant(
        9,
        "a-token-without-end",
        "functions/record_email_verified.sql",
        "(p_proof ->> 'expires_at')::timestamptz <= v_now",
        "false",
        ("test_a_token_counts_until_its_end_and_not_at_it",),
    ),
    Mutant(
        9,
        "a-proof-of-an-earlier-address",
        "functions/record_email_verified.sql",
        "and lower(u.email) = p_proof ->> 'email'",
        "",
        ("test_a_proof_of_what_is_not_the_members_open_address_changes_nothing",),
    ),
    Mutant(
        9,
        "an-address-proved-again",
        "functions/record_email_verified.sql",
        "and u.email_verified is not true",
        "",
        ("test_a_proof_of_what_is_not_the_members_open_address_changes_nothing",),
    ),
    Mutant(
        15,
        "a-lease-is-indexed",
        "indexes/events_waiting.sql",
        "on public.events (created_at, id)",
        "on public.events ((metadata ->> 'retry_at'), created_at, id)",
        (
            "test_taking_and_giving_back_a_lease_touches_no_index",
            "test_no_index_is_about_a_lease_or_other_working_state",
        ),
    ),
)
