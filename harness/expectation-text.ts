import { memoryAttributeNames } from '../src/memory-attributes.ts';
import type { PageStatement } from './expectation.ts';
import { wordOfRights } from './inputs/layout/aarch64-region.ts';

/** What is said of a page, beyond the attribute names in the words of a layout: "user rw", "share inner". */
export function detailWords({ aarch64 }: PageStatement): string[] {
  if (aarch64 === undefined) return [];
  const { user, guest, memoryType, share, pageSize, global } = aarch64;
  return [
    ...(user === undefined ? [] : [`user ${wordOfRights(user)}`]),
    ...(guest === undefined ? [] : [`guest ${wordOfRights(guest)}`]),
    ...(memoryType === undefined ? [] : [memoryType]),
    ...(share === undefined ? [] : [`share ${share}`]),
    ...(pageSize === undefined ? [] : [`pageSize ${pageSize}`]),
    ...(global === undefined ? [] : [global ? 'global' : 'not global']),
  ];
}

/** Everything that is said of a page: "read-only, user r". */
export function statementText(statement: PageStatement): string {
  return [...memoryAttributeNames(statement.attributes), ...detailWords(statement)].join(', ');
}
