-- Dates and times. A text is a date or a time wherever one is expected.

create or replace macro spark_date
    (x varchar) as try_cast(case
        when regexp_matches(trim(x), '^\d{4}$') then trim(x) || '-01-01'
        when regexp_matches(trim(x), '^\d{4}-\d{1,2}$') then trim(x) || '-01'
        else regexp_extract(trim(x), '^(\d{4}-\d{1,2}-\d{1,2})(?:[T ].*)?$', 1) end as date),
    (x date) as x,
    (x timestamp) as x::date,
    (x timestamptz) as x::date,
    (x) as try_cast(x as date);
create or replace macro spark_timestamp
    (x varchar) as coalesce(
        try_cast(trim(x) as timestamp), spark_date(case when not contains(trim(x), ' ') then x end)),
    (x date) as x::timestamp,
    (x timestamp) as x,
    (x timestamptz) as x::timestamp,
    (x bigint) as make_timestamp(x * 1000000),
    (x double) as make_timestamp((x * 1000000)::bigint);

create or replace macro spark_text_of_time(x) as strftime(x, '%Y-%m-%d %H:%M:%S');
create or replace macro spark_plus_interval
    (x date, span) as (x + span)::date,
    (x timestamp, span) as x + span,
    (x timestamptz, span) as x + span,
    (x varchar, span) as spark_text_of_time(spark_timestamp(x) + span);
create or replace macro spark_plus_time
    (x date, span) as x::timestamp + span,
    (x timestamp, span) as x + span,
    (x timestamptz, span) as x + span,
    (x varchar, span) as spark_text_of_time(spark_timestamp(x) + span);
create or replace macro spark_date_add(date_x, days_days) as date_x + days_days;
create or replace macro spark_date_sub(date_x, days_days) as date_x - days_days;
create or replace macro spark_datediff(date_x, date_y) as date_x - date_y;
create or replace macro spark_add_months(date_x, days_months) as
    (date_x + to_months(days_months))::date;
create or replace macro spark_last_day(date_x) as last_day(date_x);
create or replace macro spark_days_to(now, day) as (((day - now + 6) % 7) + 1)::int;
create or replace macro spark_next_day(date_x, name) as date_x + spark_days_to(
    isodow(date_x),
    list_position(['mo', 'tu', 'we', 'th', 'fr', 'sa', 'su'], lower(left(name, 2))));
create or replace macro spark_months(x, y) as case
    when day(x) = day(y) or (x::date = last_day(x) and y::date = last_day(y))
    then ((year(x) - year(y)) * 12 + month(x) - month(y))::double
    else round((year(x) - year(y)) * 12 + month(x) - month(y)
        + (day(x) - day(y) + (epoch(x::time) - epoch(y::time)) / 86400) / 31, 8) end;
create or replace macro spark_months_between
    (time_x, time_y) as spark_months(time_x, time_y),
    (time_x, time_y, rounded) as case
        when rounded then spark_months(time_x, time_y)
        else error('months_between without rounding is not supported') end;

create or replace macro spark_year(date_x) as year(date_x);
create or replace macro spark_month(date_x) as month(date_x);
create or replace macro spark_day(date_x) as day(date_x);
create or replace macro spark_dayofmonth(date_x) as day(date_x);
create or replace macro spark_dayofweek(date_x) as dayofweek(date_x) + 1;
create or replace macro spark_weekday(date_x) as isodow(date_x) - 1;
create or replace macro spark_dayofweek_iso(date_x) as isodow(date_x);
create or replace macro spark_dayofyear(date_x) as dayofyear(date_x);
create or replace macro spark_weekofyear(date_x) as week(date_x);
create or replace macro spark_yearofweek(date_x) as isoyear(date_x);
create or replace macro spark_quarter(date_x) as quarter(date_x);
create or replace macro spark_hour(time_x) as hour(time_x);
create or replace macro spark_minute(time_x) as minute(time_x);
create or replace macro spark_second(time_x) as second(time_x);
create or replace macro spark_seconds(time_x) as
    (second(time_x) + (microsecond(time_x) % 1000000) / 1000000)::decimal(8, 6);
create or replace macro spark_dayname(date_x) as left(dayname(date_x), 3);
create or replace macro spark_monthname(date_x) as left(monthname(date_x), 3);

create or replace macro spark_date_trunc(unit, time_x) as date_trunc(unit, time_x)::timestamp;
create or replace macro spark_trunc(date_x, unit) as date_trunc(unit, date_x)::date;
create or replace macro spark_date_format(time_x, pattern) as strftime(time_x, pattern);
create or replace macro spark_to_date
    (date_x) as date_x,
    (x, pattern) as try_strptime(x, pattern)::date;
create or replace macro spark_to_timestamp
    (time_x) as time_x,
    (x, pattern) as try_strptime(x, pattern)::timestamp;
create or replace macro spark_unix_of
    (x varchar, pattern) as floor(epoch(try_strptime(x, pattern)))::bigint,
    (x date, pattern) as floor(epoch(x::timestamp))::bigint,
    (x timestamp, pattern) as floor(epoch(x))::bigint;
create or replace macro spark_unix_timestamp
    () as epoch(now())::bigint,
    (time_x) as floor(epoch(time_x))::bigint;
create or replace macro spark_to_unix_timestamp(time_x) as floor(epoch(time_x))::bigint;
create or replace macro spark_from_unixtime
    (long_x) as strftime(make_timestamp(long_x * 1000000), '%Y-%m-%d %H:%M:%S'),
    (long_x, pattern) as strftime(make_timestamp(long_x * 1000000), pattern);
create or replace macro spark_timestamp_seconds(x) as make_timestamp(
    (x::decimal(20, 6) * 1000000)::bigint);
create or replace macro spark_timestamp_millis(x) as make_timestamp(x::bigint * 1000);
create or replace macro spark_timestamp_micros(x) as make_timestamp(x::bigint);
create or replace macro spark_unix_date(date_x) as date_x - date '1970-01-01';
create or replace macro spark_date_from_unix_date(x) as date '1970-01-01' + x::int;
create or replace macro spark_unix_seconds(time_x) as floor(epoch(time_x))::bigint;
create or replace macro spark_unix_millis(time_x) as epoch_ms(time_x);
create or replace macro spark_unix_micros(time_x) as epoch_us(time_x);
create or replace macro spark_make_date(y, m, d) as
    try(make_date(y::bigint, m::bigint, d::bigint));
create or replace macro spark_make_timestamp(y, m, d, hour, minute, second) as
    try(make_timestamp(y::bigint, m::bigint, d::bigint, hour::bigint, minute::bigint, second::double));
create or replace macro spark_to_utc_timestamp(time_x, zone) as
    timezone('UTC', timezone(zone, time_x));
create or replace macro spark_from_utc_timestamp(time_x, zone) as
    timezone(zone, timezone('UTC', time_x));
create or replace macro spark_whole_between(unit, time_x, time_y) as
    date_sub(unit, time_x, time_y);

-- What x becomes where it is compared with y: a text is read as what the other one is.
create or replace macro spark_compared
    (x varchar, y varchar) as x,
    (x varchar, y bigint) as spark_cast_bigint(spark_whole(x)),
    (x varchar, y double) as try_cast(trim(x) as double),
    (x varchar, y boolean) as spark_cast_boolean(x),
    (x varchar, y date) as spark_date(x),
    (x varchar, y timestamp) as spark_timestamp(x),
    (x, y) as x;
