-- solution_context: what the solution saga decides from (lib/engine/documents.py, Solution).
--
-- Innovators are active, verified ones other than the member whose categories overlap the workflow's
-- category or the words of the need, the most overlap first; `hidden` are the names that may not be read
-- in what they offer. Answers are the useful ones (7 and more) to the question that the workflow asked;
-- where that was attached to one which was asked already, the answers to that one.
--
-- arguments    p_user_id; p_payload, with the workflow_id that is decided about, if there is one; p_now
-- result       {now, member | null, workflow | null, innovators [at most 5 {id, solution_description,
--              categories, hidden}],
--              answers [at most 20 {id, response_text, usefulness_score}, the most useful first]}
-- locks        none of its own: meaningful only under the member's lease
create or replace function solution_context(p_user_id uuid, p_payload jsonb, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_workflow solution_workflows%rowtype;
    v_request community_requests%rowtype;
    v_words text [];
begin
    select * into v_workflow
    from solution_workflows as w
    where w.id = as_uuid(p_payload ->> 'workflow_id') and w.user_id = p_user_id;
    select * into v_request
    from community_requests as q
    where q.id = as_uuid(as_object(v_workflow.community_insights) ->> 'request_id');
    v_words := normal_tags(
        regexp_split_to_array(coalesce(v_workflow.request_description, ''), '[^[:alnum:]]+') || v_workflow.category::text
    );
    return jsonb_build_object(
        'now', p_now,
        'member', (select to_jsonb(u) - 'credit_balance' from users as u where u.id = p_user_id),
        'workflow', case when v_workflow.id is not null then to_jsonb(v_workflow) end,
        'innovators', coalesce((
            select jsonb_agg(to_jsonb(i) - 'matching' order by i.matching desc, i.id)
            from (
                select
                    n.id, n.solution_description, n.categories, m.matching,
                    array_remove(array[n.company_name, u.first_name, u.last_name, u.company]::text [], null) as hidden
                from innovators as n
                inner join users as u on n.user_id = u.id
                cross join lateral (
                    select count(*) as matching
                    from unnest(normal_tags(n.categories)) as t (tag)
                    where t.tag = any(v_words)
                ) as m
                where
                    n.active
                    and u.verified
                    and n.user_id <> p_user_id
                    and n.solution_description is not null
                    and m.matching > 0
                    and not is_opted_out(u.id)
                order by m.matching desc, n.id
                limit 5
            ) as i
        ), '[]'),
        'answers', coalesce((
            select jsonb_agg(to_jsonb(a) order by a.usefulness_score desc, a.id)
            from (
                select r.id, r.response_text, r.usefulness_score
                from community_responses as r
                where
                    r.usefulness_score >= 7
                    and r.response_text <> '(erased)'
                    and r.request_id = case
                        when v_request.context_type = 'community_request' then v_request.context_id else v_request.id
                    end
                order by r.usefulness_score desc, r.id
                limit 20
            ) as a
        ), '[]')
    );
end;
$$;
