/** The words of Byzer-SQL and of Spark SQL, in small letters. */

/** Words that begin a statement of Byzer-SQL. */
const STATEMENTS =
  'set load select with save run train predict register unregister connect include insert ' +
  'create drop refresh';

/** Words inside of the statements. */
const CLAUSES =
  'as into options partitionby overwrite append errorifexists ignore table view';

const SPARK =
  'all and anti any array asc between both by case cast cluster cross cube current desc ' +
  'describe distinct distribute else end escape except exists explode extract filter first ' +
  'following for from full group grouping having ilike in inner intersect interval is join ' +
  'last lateral leading left like limit minus natural not null nulls of offset on or order ' +
  'outer over overlay partition preceding qualify range recursive right rlike rollup row rows ' +
  'semi sets some sort struct tablesample then trailing unbounded union unique using values ' +
  'when where window within';

const TYPES =
  'bigint binary boolean byte date decimal double float int integer long map short smallint ' +
  'string timestamp tinyint';

function words(...texts: string[]): ReadonlySet<string> {
  return new Set(texts.join(' ').split(' '));
}

export const KEYWORDS = words(STATEMENTS, CLAUSES, SPARK);
export const TYPE_NAMES = words(TYPES);
export const ATOMS = words('true false null');
/** Keywords that are functions where a bracket follows. */
export const ALSO_CALLED = words(
  'any array cast extract filter first last left overlay replace right some struct window'
);
