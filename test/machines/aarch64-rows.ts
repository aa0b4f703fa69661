import { Access, Privilege } from '../../src/access-list.ts';
import { Bit, Index } from './aarch64-tables.ts';
import type { Expected, Row } from './expectations.ts';

/** Fault status of level 0 (Arm ARM D19.2.37); the level is in bits 1:0. */
export const Status = { AddressSize: 0x00, Translation: 0x04, AccessFlag: 0x08, Permission: 0x0c } as const;
const Class = { FetchLower: 0x20, FetchSame: 0x21, DataLower: 0x24, DataSame: 0x25 } as const;
const INSTRUCTION_LENGTH = 1 << 25;
const WRITE_NOT_READ = 1 << 6;

/** No machine has memory here, so that only the translation itself can tell. */
export const FAR = 0x12_3456_7000n;
/** Below the tables: machines have memory here or not, as they like. */
export const NEAR = 0x3000_0000n;

export const NORMAL = Index.WriteBack | Bit.InnerShareable | Bit.AF;
/** As in OutcomeList.memoryType: the MAIR byte, the shareability above. */
export const NORMAL_TYPE = 0x3ff;

const KINDS = { r: Access.Read, w: Access.Write, x: Access.Execute } as const;
/** r, w, x; s for the level under test, u for EL0. */
export type Kind = `${keyof typeof KINDS}${'s' | 'u'}`;
export const SUPERVISOR: readonly Kind[] = ['rs', 'ws', 'xs'];
export const ALL: readonly Kind[] = [...SUPERVISOR, 'ru', 'wu', 'xu'];

export function row(kind: Kind, address: bigint, expected: Expected, flags = 0): Row {
  return {
    address,
    access: KINDS[kind[0] as keyof typeof KINDS],
    privilege: kind[1] === 'u' ? Privilege.User : Privilege.Supervisor,
    flags,
    expected,
  };
}

export const lands = (kind: Kind, address: bigint, physical: bigint, memoryType = NORMAL_TYPE) =>
  row(kind, address, { physical, memoryType });

/** The abort of the access itself: class, WnR and FAR follow from it. */
export function faults(kind: Kind, address: bigint, status: number, level: number): Row {
  const isUser = kind[1] === 'u';
  const isFetch = kind[0] === 'x';
  const fetch = isUser ? Class.FetchLower : Class.FetchSame;
  const data = isUser ? Class.DataLower : Class.DataSame;
  const syndrome =
    ((isFetch ? fetch : data) << 26) |
    INSTRUCTION_LENGTH |
    (kind[0] === 'w' ? WRITE_NOT_READ : 0) |
    status |
    level;
  return row(kind, address, { fault: syndrome >>> 0, faultAddress: address });
}

export const faultsAll = (kinds: readonly Kind[], address: bigint, status: number, level: number) =>
  kinds.map((kind) => faults(kind, address, status, level));
