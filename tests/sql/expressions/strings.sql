'don''t'
"say ""hi"""
'a\'b'
"a\"b"
'tab\there'
'back\\slash'
'a\nb'
'\u0041'
'x' 'y'
"it's"
concat('a', 1, 'b')
concat('a', null)
concat_ws('-', 'a', null, 'b')
concat_ws(',', array('a', 'b', null))
'a' || 'b' || 1
upper('aß')
lower('ABC')
initcap('hello wORLD')
length('héllo')
char_length('abc ')
octet_length('é')
bit_length('ab')
substring('spark', 2, 3)
substring('spark', -3)
substring('spark', -3, 2)
substring('spark', 0, 2)
substring('spark' from 2 for 2)
substr('spark', 4)
left('spark', 2)
right('spark', 2)
left('spark', -1)
substring_index('www.a.com', '.', 2)
substring_index('www.a.com', '.', -2)
instr('hello', 'l')
instr('hello', 'z')
locate('l', 'hello', 4)
position('l' in 'hello')
replace('abcabc', 'b', 'X')
replace('abc', 'b')
translate('abcba', 'ab', 'xy')
translate('abc', 'ab', 'x')
trim('  a ')
ltrim('  a ')
rtrim('  a ')
trim(both 'x' from 'xxaxx')
trim(leading 'x' from 'xxaxx')
btrim('xaxx', 'x')
lpad('7', 3, '0')
rpad('7', 3, '0')
lpad('hello', 3, '0')
lpad('a', 3)
repeat('ab', 3)
repeat('ab', 0)
reverse('abc')
reverse(array(1, 2, 3))
ascii('A')
char(65)
chr(66)
split('a,b,,c', ',')
split('a1b2c', '[0-9]')
split('a.b.c', '\\.')
split('a,b,c', ',', 2)
split('a,b', ',')[1]
split('a,b', ',')[5]
split('', ',')
split('a,b,', ',')
split_part('a.b.c', '.', 2)
split_part('a.b.c', '.', -1)
regexp_replace('a1b22', '[0-9]+', '#')
regexp_replace('a1b22', '(\\d+)', '<$1>')
regexp_replace('2024-01-02', '(\\d+)-(\\d+)', '$2/$1')
regexp_extract('a12b34', '(\\d+)', 1)
regexp_extract('a12b34', '\\d+', 0)
regexp_extract('key=val', '(\\w+)=(\\w+)', 2)
regexp_extract('abc', '(\\d+)', 1)
regexp_extract('foo-bar', '([a-z]+)-([a-z]+)')
regexp_extract_all('a1b2', '(\\d)', 1)
regexp_count('a1b2c3', '\\d')
regexp_like('abc', 'b')
regexp_substr('a1b2', '\\d')
regexp_instr('ab1', '\\d')
'abc' rlike 'b.'
'abc' rlike '^b'
'abc' regexp 'c$'
'a.c' rlike 'a\\.c'
'abc' like 'a%'
'abc' like 'A%'
'abc' ilike 'A%'
'a_c' like 'a\\_c'
'abc' like 'a\\_c'
'a%c' like 'a#%c' escape '#'
'abc' not like '%z%'
format_string('%s-%05d', 'a', 42)
format_string('%.2f', 3.14159D)
format_string('%5s|%-5s|', 'ab', 'cd')
format_string('%x', 255)
format_string('%d%%', 50)
printf('%s is %d', 'x', 7)
format_number(1234567.891D, 2)
format_number(1234.5D, 0)
md5('a')
sha1('a')
sha2('a', 256)
sha('a')
crc32('abc')
base64('hello')
unbase64('aGVsbG8=')
cast(unbase64('aGVsbG8=') as string)
hex('abc')
hex(255)
unhex('616263')
encode('abc', 'utf-8')
decode(encode('abc', 'utf-8'), 'utf-8')
levenshtein('kitten', 'sitting')
soundex('Miller')
space(3)
elt(2, 'a', 'b', 'c')
elt(5, 'a', 'b')
find_in_set('b', 'a,b,c')
find_in_set('z', 'a,b,c')
contains('spark', 'par')
startswith('spark', 'sp')
endswith('spark', 'rk')
overlay('abcdef' placing 'XX' from 3)
overlay('abcdef' placing 'XX' from 3 for 1)
ucase('a')
lcase('A')
parse_url('http://a.com/p?x=1', 'HOST')
parse_url('http://a.com/p?x=1&y=2', 'QUERY', 'y')
url_encode('a b&c')
url_decode('a+b%26c')
str_to_map('a:1,b:2', ',', ':')
sentences('Hi there. Bye.')
mask('Abc-12')
character_length('abc')
'5' + 3
'1.5' * 2
'a' = 'a '
'abc' < 'abd'
'10' = 10
1 = '1.0'
'10' > 9
