-- Numbers.

create or replace macro spark_divide(number_x, number_y) as number_x / nullif(number_y, 0);
create or replace macro spark_div(number_x, number_y) as case
    when number_y <> 0 then trunc(number_x // number_y)::bigint end;
create or replace macro spark_mod(number_x, number_y) as
    number_x % nullif(number_y, 0);
create or replace macro spark_pmod(x, y) as case
    when x % nullif(y, 0) < 0 then (x % nullif(y, 0) + y) % nullif(y, 0)
    else x % nullif(y, 0) end;
-- Spark rounds what a number looks like: 2.675 is 2.68, though it is a little less.
create or replace macro spark_round
    (number_x) as round(number_x),
    (number_x bigint, digits) as round(number_x, digits),
    (number_x double, digits) as coalesce(
        round(try_cast(number_x::varchar as decimal(38, 15)), digits)::double,
        round(number_x, digits)),
    (number_x, digits) as round(number_x, digits);
create or replace macro spark_bround
    (x) as round_even(x, 0),
    (x, digits) as round_even(x, digits);
create or replace macro spark_rint(x) as round_even(x, 0);
create or replace macro spark_ln(x) as case when x > 0 then ln(x) end;
create or replace macro spark_log
    (x) as case when x > 0 then ln(x) end,
    (base, x) as case when x > 0 and base > 0 then ln(x) / ln(base) end;
create or replace macro spark_log10(x) as case when x > 0 then log10(x) end;
create or replace macro spark_log2(x) as case when x > 0 then log2(x) end;
create or replace macro spark_log1p(x) as case when x > -1 then ln(1 + x) end;
create or replace macro spark_expm1(x) as exp(x) - 1;
create or replace macro spark_factorial(x) as case when x between 0 and 20 then factorial(x::int) end;
create or replace macro spark_e() as exp(1);
create or replace macro spark_hypot(x, y) as sqrt(x::double * x + y::double * y);
create or replace macro spark_sec(x) as 1 / cos(x);
create or replace macro spark_csc(x) as 1 / sin(x);
create or replace macro spark_positive(x) as x;
create or replace macro spark_negative(x) as -x;
create or replace macro spark_sign(number_x) as sign(number_x)::double;
create or replace macro spark_signum(number_x) as sign(number_x)::double;
create or replace macro spark_bin(x) as bin(x::bigint);
create or replace macro spark_shiftleft(x, bits) as x << bits;
create or replace macro spark_shiftright(x, bits) as x >> bits;
create or replace macro spark_width_bucket(x, low, high, number) as case
    when x < low then 0
    when x >= high then number + 1
    else floor((x - low) / (high - low) * number)::bigint + 1 end;
create or replace macro spark_nanvl(x, y) as case when isnan(x) then y else x end;
create or replace macro spark_try_add(number_x, number_y) as try(number_x + number_y);
create or replace macro spark_try_subtract(number_x, number_y) as try(number_x - number_y);
create or replace macro spark_try_multiply(number_x, number_y) as try(number_x * number_y);
create or replace macro spark_bit_count(x) as bit_count(x::bigint);
create or replace macro spark_getbit(x, place) as (x >> place) & 1;
create or replace macro spark_bit_get(x, place) as (x >> place) & 1;
create or replace macro spark_conv(text_x, base, other) as case
    when regexp_matches(text_x, '^[0-9A-Za-z]+$') then to_base(list_reduce(
        list_transform(string_split(upper(text_x), ''),
            lambda one: (strpos('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', one) - 1)::bigint),
        lambda sum, one: sum * base + one), other) end;
