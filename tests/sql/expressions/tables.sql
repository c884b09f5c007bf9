people: select * from values (1, 'Ann', 'a', 3.5D, date'2024-01-31', array('x','y'), map('k','v')), (2, 'Bob', 'a', null, date'2023-12-01', array(), map()), (3, 'Cid', 'b', 1.25D, null, null, null), (4, null, 'b', 9.0D, date'2024-02-29', array('z', null), map('k','w','q','1')) as t(id, name, grp, score, born, tags, attrs)
orders: select * from values (10, 1, 5, 'p'), (11, 1, 7, 'q'), (12, 2, 1, 'p'), (13, 9, 4, 'q') as t(oid, pid, qty, item)
sheet: select * from values ('1', '1.5', 'x', '2024-01-05'), ('2', '20', 'y', '2024-02-06'), ('3', '', 'x', 'never') as t(n, price, kind, day)
