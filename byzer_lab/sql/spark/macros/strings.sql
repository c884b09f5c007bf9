-- Texts.

create or replace macro spark_initcap(s) as array_to_string(
    list_transform(string_split(lower(s), ' '), lambda w: upper(substr(w, 1, 1)) || substr(w, 2)),
    ' ');
create or replace macro spark_substring
    (text_s, start) as substr(text_s,
        case when start = 0 or start < -length(text_s) then 1 else start end::bigint),
    (text_s, start, size) as case
        when size <= 0 then case when text_s is not null and start is not null then '' end
        when start < -length(text_s)
        then substr(text_s, 1, greatest(length(text_s) + start + size, 0)::bigint)
        else substr(text_s, case when start = 0 then 1 else start end::bigint, size::bigint)
    end;
create or replace macro spark_left(text_s, size) as left(
    text_s, case when size < 0 then 0 else size end::bigint);
create or replace macro spark_right(text_s, size) as right(
    text_s, case when size < 0 then 0 else size end::bigint);
create or replace macro spark_substring_index(s, mark, number) as case
    when number = 0 or mark = '' then ''
    when number > 0 then array_to_string(string_split(s, mark)[1:number], mark)
    else array_to_string(
        string_split(s, mark)[greatest(len(string_split(s, mark)) + number + 1, 1):], mark) end;
create or replace macro spark_instr(text_s, text_part) as strpos(text_s, text_part);
create or replace macro spark_locate
    (text_part, text_s) as strpos(text_s, text_part),
    (part, s, start) as case
        when start < 1 then 0
        when strpos(substr(s, start), part) = 0 then 0
        else strpos(substr(s, start), part) + start - 1 end;
create or replace macro spark_replace
    (s, part) as replace(s, part, ''),
    (text_s, part, text_other) as replace(text_s, part, text_other);
create or replace macro spark_lpad
    (text_s, size) as lpad(text_s, case when size < 0 then 0 else size end::int, ' '),
    (text_s, size, fill) as case when fill = '' then left(text_s, size) else
        lpad(text_s, case when size < 0 then 0 else size end::int, fill) end;
create or replace macro spark_rpad
    (text_s, size) as rpad(text_s, case when size < 0 then 0 else size end::int, ' '),
    (text_s, size, fill) as case when fill = '' then left(text_s, size) else
        rpad(text_s, case when size < 0 then 0 else size end::int, fill) end;
create or replace macro spark_repeat(text_s, times) as repeat(text_s, case when times < 0 then 0 else times end::bigint);
create or replace macro spark_space(times) as repeat(' ', times);
create or replace macro spark_reverse
    (s varchar) as reverse(s),
    (s bigint) as reverse(s::varchar),
    (s) as list_reverse(s);
create or replace macro spark_ascii(s) as case when s = '' then 0 else ascii(s) end;
create or replace macro spark_char(code) as case when code < 0 then '' else chr((code % 256)::int) end;
create or replace macro spark_split
    (s, mark) as case
        when mark = '' then string_split(s, '') else regexp_split_to_array(s, mark) end,
    (s, mark, most) as case
        when mark = '' then case when most > 0
            then list_append(string_split(s, '')[1:most - 1], substr(s, most)) else string_split(s, '') end
        when most <= 0 or len(regexp_split_to_array(s, mark)) <= most
        then regexp_split_to_array(s, mark)
        else list_append(
            regexp_split_to_array(s, mark)[1:most - 1],
            substr(s, 1 + length(
                array_to_string(regexp_split_to_array(s, mark)[1:most - 1], '')
                || array_to_string(regexp_extract_all(s, mark)[1:most - 1], '')))) end;
create or replace macro spark_split_part(s, mark, number) as split_part(s, mark, number);
create or replace macro spark_contains(text_s, text_part) as contains(text_s, text_part);
create or replace macro spark_startswith(text_s, text_part) as starts_with(text_s, text_part);
create or replace macro spark_endswith(text_s, text_part) as ends_with(text_s, text_part);
create or replace macro spark_overlay
    (s, other, start) as substr(s, 1, (start - 1)::bigint) || other
        || substr(s, (start + length(other))::bigint),
    (s, other, start, size) as
        substr(s, 1, (start - 1)::bigint) || other || substr(s, (start + size)::bigint);
create or replace macro spark_elt_of(number, texts) as case when number > 0 then texts[number] end;
create or replace macro spark_find_in_set(s, texts) as case
    when s is not null and texts is not null
    then coalesce(list_position(string_split(texts, ','), s), 0) end;
create or replace macro spark_octet_length(s) as octet_length(encode(s));
create or replace macro spark_bit_length(s) as 8 * octet_length(encode(s));
create or replace macro spark_mask(s) as regexp_replace(regexp_replace(regexp_replace(
    s, '\p{Lu}', 'X', 'g'), '\p{Ll}', 'x', 'g'), '\d', 'n', 'g');
create or replace macro spark_ucase(s) as upper(s);
create or replace macro spark_lcase(s) as lower(s);
create or replace macro spark_btrim
    (s) as trim(s, ' '),
    (s, characters) as trim(s, characters);

create or replace macro spark_regexp_replace
    (text_s, pattern, other) as regexp_replace(
        text_s, pattern, regexp_replace(other, '\$(\d)', '\\\1', 'g'), 'g');
create or replace macro spark_regexp_extract
    (text_s, pattern) as regexp_extract(text_s, pattern, 1),
    (text_s, pattern, number) as regexp_extract(text_s, pattern, number);
create or replace macro spark_regexp_extract_all
    (text_s, pattern) as regexp_extract_all(text_s, pattern, 1),
    (text_s, pattern, number) as regexp_extract_all(text_s, pattern, number);
create or replace macro spark_regexp_count(s, pattern) as len(regexp_extract_all(s, pattern));
create or replace macro spark_regexp_like(text_s, pattern) as regexp_matches(text_s, pattern);
create or replace macro spark_regexp(text_s, pattern) as regexp_matches(text_s, pattern);
create or replace macro spark_rlike(text_s, pattern) as regexp_matches(text_s, pattern);
create or replace macro spark_regexp_substr(s, pattern) as
    case when regexp_matches(s, pattern) then regexp_extract(s, pattern) end;
create or replace macro spark_regexp_instr(s, pattern) as case
    when regexp_matches(s, pattern) then length(regexp_split_to_array(s, pattern)[1]) + 1
    when s is not null then 0 end;

create or replace macro spark_format_number(number_x, digits) as
    format('{:,.' || digits::int || 'f}', number_x::double);
create or replace macro spark_base64
    (s varchar) as to_base64(encode(s)),
    (s) as to_base64(s);
create or replace macro spark_unbase64(s) as from_base64(s);
create or replace macro spark_hex
    (x varchar) as hex(x),
    (x bigint) as hex(x),
    (x blob) as hex(x);
create or replace macro spark_sha1(s) as sha1(s);
create or replace macro spark_sha(s) as sha1(s);
create or replace macro spark_to_binary_utf8(s) as encode(s);
create or replace macro spark_decode_utf8
    (s varchar) as s,
    (s) as decode(s);
create or replace macro spark_url_encode(s) as replace(replace(replace(
    url_encode(s), '%20', '+'), '%2A', '*'), '~', '%7E');
create or replace macro spark_url_decode(s) as url_decode(replace(s, '+', ' '));
create or replace macro spark_parse_url
    (url, part) as nullif(case part
        when 'PROTOCOL' then regexp_extract(url, '^([A-Za-z][A-Za-z0-9+.-]*):', 1)
        when 'HOST' then regexp_extract(url, '^[^:]+://(?:[^/?#@]*@)?([^/?#:]*)', 1)
        when 'PATH' then regexp_extract(url, '^[^:]+://[^/?#]*([^?#]*)', 1)
        when 'QUERY' then regexp_extract(url, '\?([^#]*)', 1)
        when 'REF' then regexp_extract(url, '#(.*)$', 1)
        when 'FILE' then regexp_extract(url, '^[^:]+://[^/?#]*([^#]*)', 1)
        when 'AUTHORITY' then regexp_extract(url, '^[^:]+://([^/?#]*)', 1)
        when 'USERINFO' then regexp_extract(url, '^[^:]+://([^/?#@]*)@', 1) end, ''),
    (url, part, name) as case when part = 'QUERY' then nullif(
        regexp_extract(regexp_extract(url, '\?([^#]*)', 1), '(?:^|&)' || name || '=([^&]*)', 1),
        '') end;
create or replace macro spark_str_to_map(s, mark, between) as map_from_entries(list_transform(
    regexp_split_to_array(s, mark), lambda part: struct_pack(
        key := regexp_split_to_array(part, between)[1],
        value := nullif(substr(part, length(regexp_split_to_array(part, between)[1])
            + length(regexp_extract(part, between)) + 1), ''))));
create or replace macro spark_sound_codes(s) as translate(
    upper(s), 'AEIOUYBFPVCGJKQSXZDTLMNRHW', '00000011112222222233455677');
create or replace macro spark_one_of_each(digits) as regexp_replace(regexp_replace(regexp_replace(
    regexp_replace(regexp_replace(regexp_replace(regexp_replace(digits, '0+', '0', 'g'),
    '1+', '1', 'g'), '2+', '2', 'g'), '3+', '3', 'g'), '4+', '4', 'g'), '5+', '5', 'g'),
    '6+', '6', 'g');
create or replace macro spark_soundex(s) as case
    when not regexp_matches(s, '^[A-Za-z]') then s
    else upper(left(s, 1)) || rpad(left(replace(substr(spark_one_of_each(
        spark_sound_codes(left(s, 1)) || replace(spark_sound_codes(substr(s, 2)), '7', '')
    ), 2), '0', ''), 3), 3, '0') end;
