select grp, count(*) as n from people group by grp order by grp
select grp, count(score) as n, sum(score) s, avg(score) a from people group by grp order by grp
select grp, min(name) mi, max(name) ma from people group by grp order by grp
select count(distinct grp) from people
select count(if(score > 3, 1, null)) from people
select sum(id) filter (where grp = 'a') from people
select grp, collect_list(name) l from people group by grp order by grp
select sort_array(collect_set(grp)) from people
select first(id) f from (select * from people order by id)
select last(name, true) f from (select * from people order by id)
select first_value(id) f from (select 1 as id)
select any_value(grp) from people where grp = 'a'
select max_by(name, id) m, min_by(name, id) n from people where name is not null
select percentile(id, 0.5) from people
select percentile_approx(id, 0.5) from people
select median(id) from people
select mode(grp) from (select 'a' as grp union all select 'a' union all select 'b')
select stddev(id) s, variance(id) v, stddev_pop(id) sp, var_pop(id) vp from people
select corr(id, id * 2) from people
select round(skewness(score), 6) from people
select round(kurtosis(id), 6) from people
select bool_and(id > 0) a, bool_or(id > 3) o, every(id > 1) e, some(id > 3) s from people
select bit_and(id) a, bit_or(id) o, bit_xor(id) x from people
select count_if(id > 2) from people
select approx_count_distinct(grp) from people
select sum(distinct qty % 3) from orders
select array_agg(id) from (select id from people order by id)
select string_agg(name, ',') from (select 'a' as name union all select 'a')
select listagg(grp, '-') from (select 'a' as grp union all select 'a')
select grouping(grp) g, grp, sum(id) s from people group by grp with rollup order by g, grp
select grp, item, count(*) n from people join orders on id = pid group by cube(grp, item) order by grp, item, n
select grp, sum(id) s from people group by rollup(grp) order by s
select grp, sum(id) s from people group by grouping sets ((grp), ()) order by s
select grp, sum(id) s from people group by grp having sum(id) > 3
select grp g, count(*) c from people group by g order by g
select grp, count(*) c from people group by 1 order by 1
select grp, count(*) from people group by all order by 1
select id, name from people order by name
select id, name from people order by name desc
select id, score from people order by score nulls last
select id, score from people order by score desc nulls first
select id from people order by id limit 2
select id from people order by id limit 2 offset 1
select distinct grp from people order by grp
select p.id, o.item from people p join orders o on p.id = o.pid order by 1, 2
select p.id, o.item from people p left join orders o on p.id = o.pid order by 1, 2
select o.oid, p.id from people p right outer join orders o on p.id = o.pid order by 1
select p.id, o.oid from people p full outer join orders o on p.id = o.pid order by 2, 1
select id from people left semi join orders on id = pid order by id
select id from people left anti join orders on id = pid order by id
select count(*) from people cross join orders
select id, item from people join orders on people.id = orders.pid and item = 'p' order by id
select id from people where id in (select pid from orders) order by id
select id from people p where exists (select 1 from orders o where o.pid = p.id) order by id
select id from people where score > (select avg(score) from people) order by id
select id, (select count(*) from orders o where o.pid = p.id) c from people p order by id
select id from people union select pid from orders order by 1
select id from people union all select pid from orders order by 1
select id from people intersect select pid from orders order by 1
select id from people except select pid from orders order by 1
select id from people minus select pid from orders order by 1
with a as (select id from people where id > 2) select count(*) from a
with a as (select 1 as x), b as (select x + 1 as y from a) select * from a, b
select id, row_number() over (partition by grp order by id) r from people order by id
select id, rank() over (order by grp) r, dense_rank() over (order by grp) d from people order by id
select id, lag(id) over (order by id) l, lead(id, 1, 0) over (order by id) m from people order by id
select id, sum(id) over (order by id) s from people order by id
select id, sum(id) over (order by id rows between 1 preceding and current row) s from people order by id
select id, ntile(2) over (order by id) n, percent_rank() over (order by id) p, cume_dist() over (order by id) c from people order by id
select id, first_value(name) over (partition by grp order by id) f from people order by id
select id, rank() over (order by score) r from people order by id
select * from (select id, row_number() over (order by id desc) rn from people) where rn = 1
select id from people qualify row_number() over (partition by grp order by id desc) = 1 order by id
select explode(array(1, 2, 3)) as x
select explode(array(1, 2))
select id, explode(tags) as tag from people order by id, tag
select id, explode_outer(tags) as tag from people order by id, tag
select posexplode(array('a', 'b'))
select posexplode(array('a', 'b')) as (p, v)
select id, posexplode(tags) as (p, t) from people order by id, p
select explode(map('a', 1, 'b', 2))
select explode(map('a', 1, 'b', 2)) as (k, v)
select id, tag from people lateral view explode(tags) t as tag order by id, tag
select id, tag from people lateral view outer explode(tags) t as tag order by id, tag
select id, p, tag from people lateral view posexplode(tags) t as p, tag order by id, p
select id, p, tag from people lateral view outer posexplode(tags) t as p, tag order by id, p
select id, k, v from people lateral view explode(attrs) t as k, v order by id, k
select id, k, v from people lateral view outer explode(attrs) t as k, v order by id, k
select id, tag, c from people lateral view explode(tags) t as tag lateral view explode(array(1, 2)) u as c order by id, tag, c
select w, count(*) n from (select explode(split('a b a', ' ')) as w) group by w order by w
select w, count(*) n from (select 'a b a' as s) lateral view explode(split(s, ' ')) t as w group by w order by w
select inline(array(struct(1, 'a'), struct(2, 'b')))
select inline(array(named_struct('x', 1, 'y', 'a')))
select a, b from (select array(struct(1, 'a'), struct(2, 'b')) as s) lateral view inline(s) t as a, b order by a
select stack(2, 1, 'a', 2, 'b')
select stack(2, 1, 'a', 2, 'b') as (n, s)
select id, k, v from (select 1 id, 2 x, 3 y) lateral view stack(2, 'x', x, 'y', y) t as k, v order by k
select json_tuple('{"a": 1, "b": "x"}', 'a', 'b')
select json_tuple('{"a": 1, "b": "x"}', 'a', 'b') as (a, b)
select a, b from (select '{"a": 1, "b": "x"}' as j) lateral view json_tuple(j, 'a', 'b') t as a, b
select x.prompt from (select explode(from_json('[{"prompt":"p","img64":"i"}]', 'Array<struct<prompt:string,img64:string>>')) as x)
select x.* from (select named_struct('a', 1, 'b', 2) as x)
select * except (born, tags, attrs) from people order by id
select t.* from (select 1 a, 2 b) t
select id as x, x + 1 as y from people order by id
select id + 1 as `my col` from people order by id
select `id`, "str" as s from people where id = 1
select * from values (1, 'a'), (2, 'b') as t(x, y) order by x
select * from values (1), (2) order by 1
select id from range(3)
select id from range(2, 8, 2)
select col1 from values (1), (2) order by col1
select * from (select grp, id from people) pivot (sum(id) for grp in ('a', 'b'))
select * from (select 1 as id, 2 as q1, 3 as q2) unpivot (v for k in (q1, q2)) order by k
select 1 as x where 1 = 1
select case grp when 'a' then 1 else 2 end c, count(*) n from people group by 1 order by 1
select name, coalesce(name, 'none') c from people order by id
select sum(case when score is null then 1 else 0 end) from people
select avg(id) from people
select sum(qty) / count(*) from orders
select count(*), count(1), count(name) from people
select max(struct(id, name)).name from people where name is not null
select sum(cast(null as int)) from people
select id, monotonically_increasing_id() >= 0 m from people order by id
select spark_partition_id() >= 0
select input_file_name()
select id from people tablesample (100 percent) order by id
select /*+ broadcast(o) */ count(*) from people p join orders o on p.id = o.pid
select id from people order by id desc limit 1
select id from people sort by id limit 100
select a.id, b.id from people a join people b using (grp) where a.id < b.id order by 1, 2
select * from people natural join (select 1 as id) order by id
select date_add(born, 1) d from people order by id
select id, size(tags) n from people order by id
select id, tags[0] t from people order by id
select id, attrs['k'] v from people order by id
select id, transform(tags, t -> upper(t)) u from people order by id
select concat(name, '-', grp) from people order by id
select grp, concat_ws(',', sort_array(collect_list(name))) n from people group by grp order by grp
select grp, max(named_struct('s', score, 'n', name)).n m from people group by grp order by grp
select rand() >= 0
select uuid() is not null
select length(uuid())
select hash('a')
select xxhash64('a')
select window.start from (select timestamp'2024-01-01 00:07:00' as ts) group by window(ts, '5 minutes')
select array_contains(collect_set(id), 3) from people
select id % 2 as even, collect_list(struct(id, name)) as rows from people where id < 3 group by 1 order by 1
select name from people where name like 'A%' or name is null order by id
select upper(name) as name from people where lower(name) = 'ann'
select id from people where grp = 'a' and not (score > 3) order by id
select try_cast(name as int) from people order by id
select t1.id from people as t1, orders as t2 where t1.id = t2.pid and t2.item = 'q'
select nth_value(id, 2) over (order by id) n from people order by id
select id, count(*) over () c, avg(qty) over (partition by pid) a from people join orders on id = pid order by oid
select regr_slope(id, id * 2) from people
select histogram_numeric(id, 2) is not null from people
select covar_samp(id, id), covar_pop(id, id) from people
select cast(id as string) || '-' || cast(score as string) from people order by id
select map_from_entries(collect_list(struct(id, name))) from (select * from people order by id)
select map_from_arrays(collect_list(id), collect_list(grp)) from (select * from people order by id)
select n, price * 2 p from sheet order by n
select n, n + 1 m from sheet order by n
select sum(price) s, avg(n) a, max(n) m from sheet
select kind, sum(price * n) s from sheet group by kind order by kind
select n from sheet where price > 9 order by n
select n from sheet where n = 2
select n from sheet where n between 2 and 10 order by n
select n from sheet where n in (1, 3) order by n
select round(price, 1) r, abs(n) a, ceil(price) c from sheet order by n
select cast(price as int) p, cast(day as date) d from sheet order by n
select year(day) y, date_add(day, 1) d from sheet order by n
select date_format(day, 'yyyy/MM') m, count(*) c from sheet group by date_format(day, 'yyyy/MM') order by m
select concat(kind, '-', max(n)) k from sheet group by kind order by kind
select kind, concat_ws(',', collect_list(n)) l from sheet group by kind order by kind
select cast(max(score) as int) m, cast(avg(id) as string) a from people
select date_add(max(born), 1) d, year(min(born)) y from people
select size(collect_list(id)) n, collect_list(id)[0] is not null f from people
select max(score) * 2 m, max(score) / count(*) q from people
select id, concat('r', row_number() over (order by id)) r from people order by id
select id, sum(id) over (order by id) * 2 s from people order by id
select grp from people group by grp having max(score) > 4 order by grp
select grp, date_format(max(born), 'yyyy') y from people group by grp order by max(score) * 2
select substring(max(name), 1, 2) s, upper(min(name)) m from people
select count(*) * 100 / sum(id) from people
select array_join(sort_array(collect_set(kind)), '+') k from sheet
select grp, sort_array(collect_list(score)) s from people group by grp order by grp
select split(max(price), '\\.')[0] s from sheet
select coalesce(sum(qty), 0) + 1 from orders where pid = 77
select item, sum(qty) s, sum(qty) / (select sum(qty) from orders) r from orders group by item order by item
select id, tags[size(tags) - 1] t from people where id = 1
select id, element_at(tags, -1) t from people where id = 1
select explode(sequence(1, 3)) as i
select id, i from people lateral view explode(sequence(1, id)) x as i where id < 3 order by id, i
select word, count(1) c from (select explode(split(lower('B a b'), ' ')) as word) group by word order by c desc, word
select p.name, o.items from people p join (select pid, collect_list(item) items from orders group by pid) o on p.id = o.pid order by p.id
select id, case when score > 3 then 'high' when score is null then 'none' else 'low' end c from people order by id
select max(id) - min(id) d from people
select 1 as a -- a comment
select /* a comment */ 1 as a
select id, round(score / 3, 2) r from people order by id
select length(id) n, upper(grp) u from people order by id
select grp, name from people where name is not null order by grp desc, name
select id, name, grp from people where id not in (2, 3) order by id
select count(distinct grp, name) from people
select grp, count(*) filter (where score > 2) n from people group by grp order by grp
select p.grp, sum(o.qty) total from people p left join orders o on o.pid = p.id group by p.grp order by total desc
select id, lag(score, 1, 0) over (partition by grp order by id) l from people order by id
select id, row_number() over (partition by grp order by score desc nulls last) r from people order by id
select id, max(score) over (partition by grp) m from people order by id
select * from (select id, rank() over (partition by grp order by id desc) r from people) t where r = 1 order by id
select grp, max(id) m from people group by grp having count(*) > 1 and max(id) > 2 order by grp
select t, count(*) c from (select explode(tags) t from people) group by t order by c desc, t
select id, k, v from people lateral view outer explode(attrs) e as k, v where k is not null order by id, k
select id, get_json_object(to_json(named_struct('n', name)), '$.n') n from people order by id
select case when grp = 'a' then 'A' else 'B' end g, avg(id) a from people group by case when grp = 'a' then 'A' else 'B' end order by g
select upper(grp) g, count(*) c from people group by upper(grp) having count(*) >= 2 order by g
select year(born) y, count(*) c from people where born is not null group by year(born) order by y
select date_format(born, 'yyyy-MM') m from people where born >= '2024-01-01' order by m
select id from people where born between date'2024-01-01' and date'2024-12-31' order by id
select item, collect_set(pid) from orders where item = 'p' group by item having size(collect_set(pid)) = 2 and false
select pid, sort_array(collect_list(struct(qty, item))) l from orders group by pid order by pid
select pid, sort_array(collect_list(struct(qty, item)))[0].item i from orders group by pid order by pid
select pid, map_from_entries(collect_list(struct(item, qty))) m from orders where pid = 1 group by pid
select first(name) f, last(name) l from (select name from people where id < 3 order by id)
select id, explode(split(concat(name, ',x'), ',')) w from people where name is not null order by id, w
select posexplode(split('a,b', ',')) as (i, w)
with t as (select grp, count(*) n from people group by grp), u as (select max(n) m from t) select t.grp from t join u on t.n = u.m order by t.grp
select coalesce(p.grp, 'none') g, sum(o.qty) q from orders o left join people p on p.id = o.pid group by coalesce(p.grp, 'none') order by g
select id, score, score > 3 or score is null b from people order by id
select sum(if(grp = 'a', 1, 0)) a, sum(if(grp = 'b', 1, 0)) b from people
select id, percent_rank() over (order by id) p, round(avg(id) over (order by id rows between 1 preceding and 1 following), 2) a from people order by id
select grp, round(sum(score) / count(score), 2) m, cast(sum(id) as string) s from people group by grp order by grp
select distinct item, pid > 1 b from orders order by item, b
select concat_ws('|', collect_list(concat(item, ':', qty))) s from (select * from orders order by oid)
select name from people order by length(name) desc, name limit 2
select id from people order by score desc, id
select count(*) from people where tags is null or size(tags) = 0
select id, array_contains(tags, 'x') c, attrs['q'] q from people order by id
select id, t.pos, t.col from people lateral view posexplode(tags) t order by id, t.pos
select id, col from people lateral view explode(tags) t order by id, col
select id, key, value from people lateral view explode(attrs) t as key, value order by id, key
select a, a = b from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v order by a
select a, a < b, b < a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v order by a
select a, a >= d, d <> a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v order by a
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where a = t
select a, a = f from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v order by a
select a, a <=> b from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v order by a
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where b = '2'
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where b = 'abc'
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where b < '2.5' order by a
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where d > '1.5x' order by a
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where t > '2024-01-03' order by a
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where t = 'nonsense'
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where f = 'yes' order by a
select x.a, y.b from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) x join (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) y on x.a = y.b order by x.a
select a, a between b and b from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v order by a
select a from (select '1.5' as a, 1 as b, 1.5D as d, date'2024-01-01' as t, true as f union all select 'abc', 2, 2.0D, date'2024-01-02', false union all select '2', 2, 2.0D, date'2024-01-03', true union all select '2024-01-04', 4, 4.0D, date'2024-01-04', false union all select ' 7 ', 7, 7.0D, date'2024-01-05', true union all select 'true', 8, 8.0D, date'2024-01-05', true) v where a > t order by a
