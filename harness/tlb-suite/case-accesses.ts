import { Access, AccessList, Privilege } from '../../src/access-list.ts';

const ACCESSES = [Access.Read, Access.Write, Access.Execute];

/** Every access to every page, at every privilege that there is. */
export function allAccesses(pages: readonly bigint[], hasUser = true): AccessList {
  const privileges = hasUser ? [Privilege.Supervisor, Privilege.User] : [Privilege.Supervisor];
  const kinds = privileges.flatMap((privilege) => ACCESSES.map((access) => ({ access, privilege })));
  const accesses = new AccessList(pages.length * kinds.length);
  for (const [number, page] of pages.entries()) {
    for (const [kind, { access, privilege }] of kinds.entries()) {
      const [low, high] = [Number(page & 0xffff_ffffn), Number(page >> 32n)];
      accesses.set(number * kinds.length + kind, low, high, access, privilege);
    }
  }
  return accesses;
}
