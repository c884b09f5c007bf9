-- A parameter whose name begins with text_, date_, time_, number_, whole_, days_, long_ or
-- texts_ is given its argument as that: see COERCIONS in functions.py. (DuckDB can't choose between the overloads
-- below for an argument without a type, which all parameters of a macro are when it is made.)

-- Values of types that Spark turns into each other, where DuckDB does not or does it differently.

-- An operand of arithmetic: a text is a number.
create or replace macro spark_operand
    (x varchar) as try_cast(trim(x) as double),
    (x) as x;

-- A text as Spark writes it.
create or replace macro spark_scientific(x, power) as
    ((x::varchar::double / pow(10::double, power))::decimal(38, 15)::double)::varchar || 'E' || power;
create or replace macro spark_double_text(x) as case
    when isnan(x) then 'NaN'
    when isinf(x) then case when x > 0 then 'Infinity' else '-Infinity' end
    when x = 0 or (abs(x) >= 1e-3 and abs(x) < 1e7) then x::varchar
    else regexp_replace(
        regexp_replace(
            spark_scientific(x, floor(log10(abs(x)))::int), '^(-?\d+)E', '\1.0E'
        ), 'E\+?', 'E')
    end;
create or replace macro spark_text
    (x varchar) as x,
    (x bigint) as x::varchar,
    (x hugeint) as x::varchar,
    (x boolean) as x::varchar,
    (x date) as x::varchar,
    (x blob) as decode(x),
    (x) as case when typeof(x) in ('DOUBLE', 'FLOAT')
        then spark_double_text(try_cast(x::varchar as double)) else x::varchar end;
create or replace macro spark_joined
    (x varchar) as x,
    (x bigint) as x::varchar,
    (x double) as spark_text(x),
    (x date) as x::varchar,
    (x timestamp) as x::varchar,
    (x) as x;
create or replace macro spark_cast_string(text_x) as try_cast(text_x as varchar);
create or replace macro spark_whole
    (x varchar) as case
        when regexp_matches(trim(x), '^[+-]?\d+(\.\d*)?$|^[+-]?\.\d+$')
        then trunc(try_cast(trim(x) as decimal(38, 10))) end,
    (x bigint) as x,
    (x double) as case when isnan(x) then 0 else trunc(x) end,
    (x float) as case when isnan(x) then 0 else trunc(x) end,
    (x decimal(38, 10)) as trunc(x),
    (x timestamp) as floor(epoch(x)),
    (x) as x;
create or replace macro spark_cast_tinyint
    (whole_x bigint) as (((whole_x + 128) % 256 + 256) % 256 - 128)::tinyint,
    (whole_x) as try_cast(whole_x as tinyint);
create or replace macro spark_cast_smallint
    (whole_x bigint) as (((whole_x + 32768) % 65536 + 65536) % 65536 - 32768)::smallint,
    (whole_x) as try_cast(whole_x as smallint);
create or replace macro spark_cast_int
    (whole_x bigint) as (((whole_x::hugeint + 2147483648) % 4294967296 + 4294967296) % 4294967296
        - 2147483648)::int,
    (whole_x double) as case
        when whole_x > 2147483647 then 2147483647
        when whole_x < -2147483648 then -2147483648
        else try_cast(whole_x as int) end,
    (whole_x decimal(38, 10)) as try_cast(whole_x as int),
    (whole_x) as try_cast(whole_x as int);
create or replace macro spark_cast_bigint
    (whole_x bigint) as whole_x,
    (whole_x double) as case
        when whole_x >= 9.2233720368547e18 then 9223372036854775807
        when whole_x <= -9.2233720368547e18 then -9223372036854775808
        else try_cast(whole_x as bigint) end,
    (whole_x decimal(38, 10)) as try_cast(whole_x as bigint),
    (whole_x) as try_cast(whole_x as bigint);
create or replace macro spark_cast_double
    (x varchar) as try_cast(regexp_replace(
        trim(x), '^([+-]?[0-9.]+(?:[eE][+-]?\d+)?)[dDfF]$', '\1') as double),
    (x timestamp) as epoch(x),
    (x) as try_cast(x as double);
create or replace macro spark_cast_float
    (x varchar) as try_cast(trim(x) as float),
    (x) as try_cast(x as float);
create or replace macro spark_cast_boolean
    (x varchar) as case
        when lower(trim(x)) in ('t', 'true', 'y', 'yes', '1') then true
        when lower(trim(x)) in ('f', 'false', 'n', 'no', '0') then false end,
    (x double) as x <> 0,
    (x) as try_cast(x as boolean);
create or replace macro spark_cast_date(date_x) as date_x;
create or replace macro spark_cast_timestamp(time_x) as time_x;
create or replace macro spark_cast_binary
    (x varchar) as encode(x),
    (x) as try_cast(x as blob);

create or replace macro spark_isnull(x) as x is null;
create or replace macro spark_isnotnull(x) as x is not null;
create or replace macro spark_nvl2(x, y, z) as case when x is not null then y else z end;
create or replace macro spark_nullifzero(x) as nullif(x, 0);
create or replace macro spark_zeroifnull(x) as coalesce(x, 0);
create or replace macro spark_equal_null(x, y) as x is not distinct from y;
create or replace macro spark_assert_true
    (x) as case when x then null else error('assertion failed') end,
    (x, message) as case when x then null else error(message) end;
create or replace macro spark_raise_error(message) as error(message);
create or replace macro spark_typeof(x) as case typeof(x)
    when 'INTEGER' then 'int' when 'VARCHAR' then 'string' when 'BLOB' then 'binary'
    when '"NULL"' then 'void' when 'INTEGER[]' then 'array<int>'
    when 'VARCHAR[]' then 'array<string>'
    else regexp_replace(replace(lower(typeof(x)), ', ', ','), '^(.*)\[\]$', 'array<\1>') end;
