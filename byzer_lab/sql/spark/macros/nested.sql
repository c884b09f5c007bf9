-- Arrays, maps, structs and JSON.

-- Both ways of reading are valid for arrays and maps; the type says which one is meant.
create or replace macro spark_item
    (x, place varchar) as x[place],
    (x, place bigint) as case
        when typeof(x) like 'MAP(%' then x[place]
        when place < 0 then null
        else x[place + 1] end,
    (x, place hugeint) as case
        when typeof(x) like 'MAP(%' then x[place::bigint]
        when place < 0 then null
        else x[place::bigint + 1] end,
    (x, place) as x[place];
create or replace macro spark_element_at(x, place) as x[place];
create or replace macro spark_try_element_at(x, place) as x[place];
create or replace macro spark_get(x, place) as case when place >= 0 then x[place + 1] end;
create or replace macro spark_size(x) as coalesce(cardinality(x)::int, -1);
create or replace macro spark_cardinality(x) as coalesce(cardinality(x)::int, -1);
create or replace macro spark_array_size(x) as len(x);

create or replace macro spark_array_contains(x, value) as case
    when list_contains(x, value) then true
    when value is null or len(x) <> list_count(x) then null
    else list_contains(x, value) end;
create or replace macro spark_array_position(x, value) as case
    when x is not null and value is not null then coalesce(list_position(x, value), 0) end;
create or replace macro spark_array_distinct(x) as list_filter(
    x, lambda one, place: list_position(x, one) is not distinct from place);
create or replace macro spark_array_union(x, y) as spark_array_distinct(list_concat(x, y));
create or replace macro spark_array_intersect(x, y) as list_filter(
    spark_array_distinct(x), lambda one: list_position(y, one) is not null);
create or replace macro spark_array_except(x, y) as list_filter(
    spark_array_distinct(x), lambda one: list_position(y, one) is null);
create or replace macro spark_array_remove(x, value) as
    list_filter(x, lambda one: one is null or one <> value);
create or replace macro spark_array_append(x, value) as list_append(x, value);
create or replace macro spark_array_prepend(x, value) as list_prepend(value, x);
create or replace macro spark_array_insert(x, place, value) as case
    when place > 0 then list_concat(list_append(x[1:place - 1], value), x[place:])
    else list_concat(
        list_append(x[1:len(x) + place + 1], value), x[len(x) + place + 2:]) end;
create or replace macro spark_array_compact(x) as list_filter(x, lambda one: one is not null);
create or replace macro spark_listed
    (x varchar) as [x],
    (x varchar[]) as coalesce(x, []),
    (x bigint) as [x::varchar],
    (x double) as [spark_text(x)],
    (x bigint[]) as list_transform(coalesce(x, []), lambda one: one::varchar),
    (x double[]) as list_transform(coalesce(x, []), lambda one: spark_text(one)),
    (x) as case
        when typeof(x) like '%[]' then error('concat_ws takes arrays of texts and numbers')
        else [x::varchar] end;
create or replace macro spark_array_join
    (texts_x, mark) as array_to_string(texts_x, mark),
    (texts_x, mark, missing) as
        array_to_string(list_transform(texts_x, lambda one: coalesce(one, missing)), mark);
create or replace macro spark_array_max(x) as list_max(x);
create or replace macro spark_array_min(x) as list_min(x);
create or replace macro spark_array_sort(x) as list_sort(x, 'asc', 'nulls last');
create or replace macro spark_sort_array
    (x) as list_sort(x, 'asc', 'nulls first'),
    (x, ascending) as case when ascending
        then list_sort(x, 'asc', 'nulls first') else list_sort(x, 'desc', 'nulls last') end;
create or replace macro spark_array_repeat(value, times) as
    list_transform(range(times::bigint), lambda one: value);
create or replace macro spark_arrays_overlap(x, y) as case
    when list_has_any(x, y) then true
    when len(x) > 0 and len(y) > 0 and (len(x) <> list_count(x) or len(y) <> list_count(y))
    then null
    else list_has_any(x, y) end;
create or replace macro spark_slice(x, start, size) as case
    when start > 0 then x[start:start + size - 1]
    when len(x) + start < 0 then x[1:0]
    else x[len(x) + start + 1:len(x) + start + size] end;
create or replace macro spark_sequence
    (x bigint, y bigint) as case
        when x <= y then generate_series(x, y) else generate_series(x, y, -1) end,
    (x bigint, y bigint, step bigint) as generate_series(x, y, step),
    (x date, y date) as generate_series(x, y, interval 1 day)::date[],
    (x date, y date, step) as generate_series(x, y, step)::date[],
    (x timestamp, y timestamp, step) as generate_series(x, y, step);
create or replace macro spark_shuffle(x) as list_transform(
    list_sort(list_transform(x, lambda one: struct_pack(r := random(), v := one))),
    lambda one: one.v);

create or replace macro spark_filter(x, f) as list_filter(x, f);
create or replace macro spark_exists(x, f) as
    case when x is not null then coalesce(list_bool_or(list_transform(x, f)), false) end;
create or replace macro spark_forall(x, f) as
    case when x is not null then coalesce(list_bool_and(list_transform(x, f)), true) end;
create or replace macro spark_aggregate
    (x, start, merge) as list_reduce(x, merge, start),
    (x, start, merge, finish) as list_transform([list_reduce(x, merge, start)], finish)[1];
create or replace macro spark_reduce
    (x, start, merge) as list_reduce(x, merge, start),
    (x, start, merge, finish) as list_transform([list_reduce(x, merge, start)], finish)[1];

create or replace macro spark_map_contains_key(x, key) as list_contains(map_keys(x), key);
create or replace macro spark_map_from_arrays(x, y) as map(x, y);
create or replace macro spark_map_from_entries(x) as map_from_entries(x);

create or replace macro spark_get_json_object(x, path) as
    case when json_valid(x) then json_extract_string(x, path) end;
create or replace macro spark_get_json_objects(x, path) as case when json_valid(x) then
    case len(json_extract(x, path))
        when 0 then null
        when 1 then json_extract_string(x, path)[1]
        else to_json(json_extract(x, path))::varchar end end;
create or replace macro spark_from_json(x, structure, nothing) as
    case when x is not null then coalesce(try(json_transform(x, structure)), nothing) end;
create or replace macro spark_to_json(x) as case
    when to_json(x) is null then null
    when json_type(to_json(x)) = 'OBJECT' then json_merge_patch('{}', to_json(x))::varchar
    else to_json(x)::varchar end;
create or replace macro spark_json_array_length(x) as
    case when json_valid(x) and json_type(x) = 'ARRAY' then json_array_length(x) end;
create or replace macro spark_json_object_keys(x) as
    case when json_valid(x) and json_type(x) = 'OBJECT' then json_keys(x) end;
