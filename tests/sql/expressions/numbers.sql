7 / 2
7 div 2
-7 div 2
7 % 3
-7 % 3
mod(-7, 3)
pmod(-7, 3)
pmod(7, -3)
1 / 0
1 div 0
5 % 0
1.0 / 3
10 / 4 * 2
round(2.5)
round(-2.5)
round(3.14159, 2)
round(1250, -2)
bround(2.5)
bround(3.5)
ceil(1.2)
ceil(-1.2)
floor(-1.2)
ceiling(3)
abs(-5)
sign(-3)
signum(0)
sqrt(16)
sqrt(-1)
cbrt(27)
pow(2, 10)
power(2, 0.5)
exp(0)
ln(1)
ln(0)
log(10, 100)
log(2.718281828459045D)
log10(1000)
log2(8)
log1p(0)
expm1(0)
factorial(5)
greatest(1, 5, 3)
greatest(1, null, 3)
least(4, 2, null)
sin(0)
cos(0)
atan2(1, 1)
degrees(pi())
radians(180)
e()
hypot(3, 4)
cot(1)
positive(3)
negative(3)
bin(5)
conv('ff', 16, 10)
conv('10', 2, 10)
shiftleft(1, 3)
shiftright(8, 2)
5 & 3
5 | 3
5 ^ 3
~5
bit_count(7)
width_bucket(5.3, 0.2, 10.6, 5)
rint(2.5)
cast(1.9 as int)
cast(-1.9 as int)
cast(2.5D as bigint)
cast('1.9' as int)
cast(' 12 ' as int)
cast('abc' as int)
cast('' as int)
cast('12abc' as double)
cast('1e3' as double)
cast(true as int)
cast(0 as boolean)
cast('yes' as boolean)
cast('t' as boolean)
cast('maybe' as boolean)
cast(1.0D as string)
cast(1e20D as string)
cast(0.1D as string)
cast(100 as string)
cast(1.50 as string)
cast(3.7 as decimal(10, 0))
cast(1.005 as decimal(10, 2))
cast('3.14159' as decimal(5, 2))
cast(1e10 as bigint)
cast('nan' as double)
cast('inf' as double)
cast(300 as tinyint)
cast(3000000000 as int)
cast(true as string)
cast(null as int)
cast(array(1, 2) as array<string>)
cast(1.9D as long)
cast('0x1A' as int)
int(3.7)
bigint('12')
double('1.5')
string(12)
float('1.5')
boolean('true')
decimal('12')
try_cast('x' as int)
try_add(1, 2)
try_divide(1, 0)
try_to_number('12', '99')
to_number('12,454', '99,999')
isnan(cast('nan' as double))
nanvl(cast('nan' as double), 5.0D)
1 + 2 * 3
2147483647 + 1
9223372036854775807 + 1
1.1 + 2.2
0.1D + 0.2D
10L
3.0F
1e3
-5 % 3
3 <=> null
null <=> null
1 <> 2
1 != 1
not true
null and false
null or true
1 between 0 and 2
1 in (1, 2)
1 in (2, null)
1 not in (2, null)
if(1 > 2, 'a', 'b')
if(null, 'a', 'b')
case 3 when 1 then 'a' when 3 then 'c' end
case when 1 > 2 then 'x' else 'y' end
coalesce(null, null, 3)
nvl(null, 2)
nvl2(null, 1, 2)
nvl2(3, 1, 2)
ifnull(null, 4)
nullif(3, 3)
nullifzero(0)
zeroifnull(null)
isnull(null)
isnotnull(null)
decode(2, 1, 'a', 2, 'b', 'z')
typeof(1)
typeof('a')
typeof(array(1))
typeof(1.5)
assert_true(true)
cast('1.5' as float)
cast(-129 as tinyint)
cast(40000 as smallint)
cast('99999999999' as int)
cast(1e10 as int)
cast('true' as int)
cast('2024-01-02' as int)
cast(timestamp'1970-01-01 00:01:40' as bigint)
cast(100 as timestamp)
cast(1.5 as string)
cast(cast(1.5 as decimal(10, 3)) as string)
cast(1e-5D as string)
cast(123456789.125D as string)
cast(1.0E7D as string)
cast(-0.0D as string)
cast(date'2024-01-02' as timestamp) > timestamp'2024-01-01 00:00:00'
cast(array(1, 2) as string)
cast(named_struct('a', 1) as string)
cast('1' as boolean)
cast('2' as boolean)
cast(2 as boolean)
round(2.675D, 2)
round(-1.5)
round(15, -1)
7.5 % 2
-7.5 div 2
'9' % '4'
null + 1
1 + null
5 / '2'
-'3'
'abc' + 1
abs('-3')
sqrt('9')
pow('2', 3)
greatest('a', 'b')
greatest(1, 2.5)
power(2, -1)
1 = 1.0
'1' = 1
'a' = 1
1.0 = 1
log(-1)
ln(null)
mod('7', 3)
3 in ('3', '4')
cast(7 as double) / 2
sum_ is null from (select 1 as sum_)
round(1e20D, 2)
round(0.125D, 2)
round(-2.675D, 2)
round(123456789012, -3)
-score is null from (select 1 as score)
conv(255, 10, 16)
conv('zz', 36, 10)
round(10 / 3, 2)
floor(7 / 2)
cast(7 / 2 as int)
cast('3.7' as double) * 2
100 * 3 / 7
1 - 0.9
3 * 1.1
-(2 + 3)
cast(1 as decimal(10, 2))
cast(12345.678 as decimal(10, 1))
ceil(5.0)
abs(-2.5)
round(cast(2.345 as double), 2)
greatest(1, 2, 3) - least(1, 2, 3)
coalesce(cast('x' as int), -1)
nullif('a', 'b')
true and null
true > false
cast('12' as int) + cast('3' as int)
bigint(2.9) + 1
mod(10, 3) = 1
2 between 1 and 3 and not false
exp(1) > 2.7
ln(10)
sqrt(2)
sum(1) over ()
rand(42) between 0 and 1
