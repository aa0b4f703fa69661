import { Access, Privilege } from '../../src/access-list.ts';
import { x64Fault } from '../../src/outcome-list.ts';
import type { Expected, Row } from './expectations.ts';

/** Page-fault error code bits, SDM Vol. 3A §4.7. */
export const Code = { P: 1, W: 2, U: 4, RSVD: 8, I: 16, PK: 32 } as const;

/** No machine has memory here, so that only the physical address can tell. */
export const FAR = 0x12_3456_7000n;
/** The GiB that holds it. */
export const FAR_GIB = FAR & ~0x3fff_ffffn;
/** Just above what tables take: machines have memory here or not, as they like. */
export const NEAR = 0x18_0000n;

const KINDS = {
  r: Access.Read,
  w: Access.Write,
  x: Access.Execute,
} as const;

export type Kind = `${keyof typeof KINDS}${'s' | 'u'}`;
export const ALL: readonly Kind[] = ['rs', 'ru', 'ws', 'wu', 'xs', 'xu'];

interface Extra {
  readonly flags?: number;
  readonly pkru?: number;
}

export function row(kind: Kind, address: bigint, expected: Expected, extra: Extra = {}): Row {
  return {
    address,
    access: KINDS[kind[0] as keyof typeof KINDS],
    privilege: kind[1] === 'u' ? Privilege.User : Privilege.Supervisor,
    expected,
    ...extra,
  };
}

export const lands = (kind: Kind, address: bigint, physical: bigint, extra?: Extra) =>
  row(kind, address, { physical }, extra);

/** A page fault of the access itself; the W, U and I bits follow from the access. */
export function faults(kind: Kind, address: bigint, code: number, extra?: Extra): Row {
  const own =
    (kind[0] === 'w' ? Code.W : 0) | (kind[1] === 'u' ? Code.U : 0) | (kind[0] === 'x' ? Code.I : 0);
  return row(kind, address, { fault: x64Fault(14, code | own), faultAddress: address }, extra);
}

export const isNotCanonical = (kind: Kind, address: bigint) =>
  row(kind, address, { fault: x64Fault(13, 0), faultAddress: 0n });
