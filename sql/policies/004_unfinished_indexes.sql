-- Indexes whose concurrent build was interrupted, in case nobody has made up for it.
--
-- `make migrate` replaces what is left of such a build; with plain psql and `supabase db push` the file of
-- that index says "if not exists", finds it there and is content. It is not used, and forbids nothing.

do $$
declare
    v_index record;
begin
    for v_index in
        select i.indexrelid::regclass::text as name, i.indrelid::regclass::text as table_name
        from pg_index as i
        inner join pg_class as c on c.oid = i.indexrelid
        where c.relnamespace = 'public'::regnamespace and not i.indisvalid
        order by 1
    loop
        raise notice '%: the index % was not built to its end and is not used; remove it with "drop index '
            'concurrently public.%" and make it again.', v_index.table_name, v_index.name, v_index.name;
    end loop;
end;
$$;
