import {
  LanguageSupport,
  StreamLanguage,
  StreamParser,
  StringStream
} from '@codemirror/language';

import { ALSO_CALLED, ATOMS, KEYWORDS, TYPE_NAMES } from './words';

/** Ends of the texts that may go over several lines, by how they begin. */
const ENDS: Record<string, string> = {
  "'''": "'''",
  "'": "'",
  '"': '"',
  '`': '`',
  '/*': '*/'
};

/** A text that the last line has not ended, and where in the cell the reader is. */
export interface IState {
  /** How it begins; empty: none. */
  open: string;
  /** The line with the magic is not over. */
  magic: boolean;
  /** The cell is a question in plain words. */
  chat: boolean;
}

/** The beginning of a cell. */
export function startState(): IState {
  return { open: '', magic: true, chat: false };
}

/** What the text of a kind is highlighted as. */
function tagOf(open: string): string {
  if (open === '/*') {
    return 'comment';
  }
  return open === '`' ? 'string.special' : 'string';
}

/** Reads on in a text, up to its end, a template, or the end of the line. */
function readText(stream: StringStream, state: IState): string {
  const end = ENDS[state.open] ?? state.open;
  if (state.open !== '/*' && stream.match(/^\$\{[^}]*\}/)) {
    return 'variableName.special';
  }
  const tag = tagOf(state.open);
  while (!stream.eol()) {
    if (state.open !== '/*' && stream.match(/^\$\{[^}]*\}/, false)) {
      return tag;
    }
    if (stream.match(end)) {
      // A doubled quote is one of the text.
      if (end.length > 1 || !stream.eat(end)) {
        state.open = '';
        return tag;
      }
      continue;
    }
    if (stream.next() === '\\' && (end === "'" || end === '"')) {
      stream.next();
    }
  }
  return tag;
}

function begin(stream: StringStream, state: IState): string | null {
  for (const open of Object.keys(ENDS)) {
    if (stream.match(open)) {
      state.open = open;
      return stream.eol() ? tagOf(open) : readText(stream, state);
    }
  }
  return null;
}

function readWord(stream: StringStream): string {
  const word = stream.current().toLowerCase();
  if (ATOMS.has(word)) {
    return 'atom';
  }
  const called = stream.match(/^\s*\(/, false);
  if (KEYWORDS.has(word) && !(called && ALSO_CALLED.has(word))) {
    return 'keyword';
  }
  if (called) {
    return 'variableName.standard';
  }
  return TYPE_NAMES.has(word) ? 'keyword' : 'variableName';
}

/** Reads a cell that begins with `%%llm_sql`. */
export const parser: StreamParser<IState> = {
  name: 'byzer-sql',
  startState,
  copyState: state => ({ ...state }),
  token: (stream, state) => {
    if (state.magic) {
      if (stream.match(/^\s*%%llm_sql\b/)) {
        stream.skipToEnd();
        state.magic = false;
        return 'meta';
      }
      state.magic = /^\s*$/.test(stream.string);
    }
    if (state.open) {
      return readText(stream, state);
    }
    if (stream.sol() && stream.match(/^\s*--%\w+.*/)) {
      state.chat = true;
      return 'meta';
    }
    if (state.chat) {
      stream.skipToEnd();
      return null;
    }
    if (stream.eatSpace()) {
      return null;
    }
    if (stream.match('--')) {
      stream.skipToEnd();
      return 'comment';
    }
    const text = begin(stream, state);
    if (text) {
      return text;
    }
    if (stream.match(/^\$\{[^}]*\}/)) {
      return 'variableName.special';
    }
    if (stream.match(/^![\p{L}_]\w*/u)) {
      return 'meta';
    }
    if (stream.match(/^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[lLdDfF]?\b/)) {
      return 'number';
    }
    if (stream.match(/^[\p{L}\d_]+/u)) {
      return readWord(stream);
    }
    if (stream.match(/^[-+*/%=<>!|&^~:]+/)) {
      return 'operator';
    }
    stream.next();
    return 'punctuation';
  },
  languageData: {
    commentTokens: { line: '--', block: { open: '/*', close: '*/' } },
    closeBrackets: { brackets: ['(', '[', '{', "'", '"', '`', "'''"] }
  }
};

/** The language of such a cell. */
export function byzerSql(): LanguageSupport {
  return new LanguageSupport(StreamLanguage.define(parser));
}

/** Whether a cell is one of SQL. */
export function isSqlCell(source: string): boolean {
  return /^\s*%%llm_sql\b/.test(source);
}
