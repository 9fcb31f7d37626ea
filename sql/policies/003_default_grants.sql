-- What the same role creates later starts closed, too, until the next migration looks at it.

alter default privileges revoke execute on functions from public;

do $$
declare
    v_role text;
    v_kind text;
begin
    foreach v_kind in array array['tables', 'sequences', 'functions'] loop
        foreach v_role in array array['anon', 'authenticated'] loop
            if to_regrole(v_role) is not null then
                execute format(
                    'alter default privileges in schema public revoke all on %s from %I', v_kind, v_role
                );
            end if;
        end loop;
    end loop;
    if to_regrole('service_role') is not null then
        grant usage on schema public to service_role;
        alter default privileges in schema public
        grant select, insert, update, delete on tables to service_role;
        alter default privileges in schema public grant usage, select on sequences to service_role;
        alter default privileges in schema public grant execute on functions to service_role;
    end if;
end;
$$;

-- PostgREST keeps its picture of the schema until it is told.
notify pgrst, 'reload schema';
