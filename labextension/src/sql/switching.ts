import {
  Compartment,
  EditorState,
  Extension,
  Prec,
  Text
} from '@codemirror/state';

import { byzerSql, isSqlCell } from './language';

/** Enough of a cell to know what it begins with. */
const BEGINNING = 200;

function beginsAsSql(doc: Text): boolean {
  return isSqlCell(doc.sliceString(0, BEGINNING));
}

/**
 * Lets an editor read its text as Byzer-SQL while it begins with the magic, and as what it is
 * otherwise.
 */
export function switching(source: string): Extension {
  const language = new Compartment();
  const sql = Prec.highest(byzerSql());
  return [
    language.of(isSqlCell(source) ? sql : []),
    EditorState.transactionExtender.of(transaction => {
      if (!transaction.docChanged) {
        return null;
      }
      const is = beginsAsSql(transaction.newDoc);
      const was = language.get(transaction.startState) === sql;
      return is === was
        ? null
        : { effects: language.reconfigure(is ? sql : []) };
    })
  ];
}
