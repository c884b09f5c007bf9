import { language, StreamLanguage, StringStream } from '@codemirror/language';
import { EditorState } from '@codemirror/state';

import { isSqlCell, parser, startState } from '../sql/language';
import { switching } from '../sql/switching';

/** The highlighted parts of a cell: `tag:text`. */
function parts(source: string): string[] {
  const state = startState();
  const found: string[] = [];
  for (const line of source.split('\n')) {
    const stream = new StringStream(line, 2, 2);
    while (!stream.eol()) {
      stream.start = stream.pos;
      const tag = parser.token(stream, state);
      expect(stream.pos).toBeGreaterThan(stream.start);
      if (tag) {
        found.push(`${tag}:${stream.current()}`);
      }
    }
  }
  return found;
}

describe('reading', () => {
  it('tells words, functions, names, numbers and texts', () => {
    expect(
      parts('%%llm_sql -o x\nselect llm_result(q), 1.5e3 a from t as `b c`;')
    ).toEqual([
      'meta:%%llm_sql -o x',
      'keyword:select',
      'variableName.standard:llm_result',
      'punctuation:(',
      'variableName:q',
      'punctuation:)',
      'punctuation:,',
      'number:1.5e3',
      'variableName:a',
      'keyword:from',
      'variableName:t',
      'keyword:as',
      'string.special:`b c`',
      'punctuation:;'
    ]);
  });

  it('tells a keyword from a function of its name', () => {
    expect(parts('array(1) left join left (a, 2) in (3)')).toEqual([
      'variableName.standard:array',
      'punctuation:(',
      'number:1',
      'punctuation:)',
      'keyword:left',
      'keyword:join',
      'variableName.standard:left',
      'punctuation:(',
      'variableName:a',
      'punctuation:,',
      'number:2',
      'punctuation:)',
      'keyword:in',
      'punctuation:(',
      'number:3',
      'punctuation:)'
    ]);
  });

  it('goes on with a block string on the next lines, with its templates', () => {
    expect(
      parts("%%llm_sql\nset a='''it's; -- \nselect ${x} ''' ; -- end")
    ).toEqual([
      'meta:%%llm_sql',
      'keyword:set',
      'variableName:a',
      'operator:=',
      "string:'''it's; -- ",
      'string:select ',
      'variableName.special:${x}',
      "string: '''",
      'punctuation:;',
      'comment:-- end'
    ]);
  });

  it('knows escapes, doubled quotes and empty texts', () => {
    expect(parts(`'it\\'s' "a""b" '' ''''''`)).toEqual([
      "string:'it\\'s'",
      'string:"a""b"',
      "string:''",
      "string:''''''"
    ]);
  });

  it('tells commands and macros', () => {
    expect(parts('%%llm_sql\n!byzerllm setup "a=1";\n/* a\nb */')).toEqual([
      'meta:%%llm_sql',
      'meta:!byzerllm',
      'variableName:setup',
      'string:"a=1"',
      'punctuation:;',
      'comment:/* a',
      'comment:b */'
    ]);
  });

  it('leaves the question of a chat cell plain', () => {
    expect(parts('%%llm_sql\n--%chat\n--%model=m\n\nselect a date?')).toEqual([
      'meta:%%llm_sql',
      'meta:--%chat',
      'meta:--%model=m'
    ]);
  });
});

describe('switching', () => {
  const sqlName = 'byzer-sql';
  const nameOf = (state: EditorState) => state.facet(language)?.name ?? '';

  it('looks at the beginning of a cell', () => {
    expect(isSqlCell('%%llm_sql -o a\nselect 1')).toBe(true);
    expect(isSqlCell('\n%%llm_sql')).toBe(true);
    expect(isSqlCell('%%llm_sqlite\n')).toBe(false);
    expect(isSqlCell('a = "%%llm_sql"')).toBe(false);
  });

  it('follows the text, in both directions', () => {
    const source = '%%llm_sql\nselect 1';
    let state = EditorState.create({
      doc: source,
      extensions: switching(source)
    });
    expect(nameOf(state)).toBe(sqlName);
    state = state.update({ changes: { from: 0, to: 9, insert: 'x' } }).state;
    expect(nameOf(state)).toBe('');
    state = state.update({
      changes: { from: 0, to: 1, insert: '%%llm_sql' }
    }).state;
    expect(nameOf(state)).toBe(sqlName);
  });

  it('comes before the language of the notebook', () => {
    const other = StreamLanguage.define({
      name: 'other',
      token: stream => {
        stream.skipToEnd();
        return null;
      }
    });
    const state = EditorState.create({
      doc: '%%llm_sql',
      extensions: [other, switching('%%llm_sql')]
    });
    expect(nameOf(state)).toBe(sqlName);
  });
});
