import { ATTR_INDX_SHIFT, DescriptorHigh, DescriptorLow } from '../../src/aarch64/descriptor-bits.ts';
import { type Granule, spanShift } from './granule.ts';
import { ALIAS_OFFSET, CODE_BYTES, REGION_BYTES, TABLES_OFFSET } from './stub-protocol.ts';

/** What the stub's own tables depend on. */
export interface StubTablesForm {
  /** Physical address of the stub's region. */
  readonly region: number;
  readonly granule: Granule;
  /** Level of the root. */
  readonly rootLevel: number;
  /** Bytes of the root. */
  readonly rootBytes: number;
  /** Root entry under which the stub is mapped. */
  readonly slot: number;
  /** Index of a MAIR byte that code can run from. */
  readonly attributeIndex: number;
  /** Whether the regime has an EL0: where not, AP[1] is RES1 and PXN RES0. */
  readonly hasUser: boolean;
}

/** The stub's tables as bytes to be written to the region at {@link TABLES_OFFSET}; the root comes first. */
export interface StubTables {
  readonly bytes: Uint8Array;
  readonly rootAddress: number;
}

/**
 * Tables that map the stub's region from the first address of one root entry:
 * code and vectors read-only and executable at every level, everything else writable and never executable.
 * @param root the entries around the graft; without, all others are invalid
 */
export function buildStubTables(form: StubTablesForm, root?: Uint8Array): StubTables {
  const tableBytes = 2 ** form.granule.shift;
  const tableCount = 4 - form.rootLevel;
  const bytes = new Uint8Array(tableCount * tableBytes);
  if (root !== undefined) bytes.set(root.subarray(0, form.rootBytes));
  const words = new Uint32Array(bytes.buffer);
  const rootAddress = form.region + TABLES_OFFSET;

  for (let table = 0; table < tableCount - 1; table++) {
    const index = table === 0 ? form.slot : 0;
    const next = rootAddress + (table + 1) * tableBytes;
    writeEntry(
      words,
      (table * tableBytes) / 8 + index,
      next,
      DescriptorLow.Valid | DescriptorLow.TableOrPage,
      0,
    );
  }
  const pages = ((tableCount - 1) * tableBytes) / 8;
  for (let page = 0; page < REGION_BYTES / tableBytes; page++) {
    const offset = page * tableBytes;
    const source = offset < ALIAS_OFFSET ? offset : offset - ALIAS_OFFSET;
    const [low, high] = offset < CODE_BYTES ? codeAttributes() : dataAttributes(form.hasUser);
    const common =
      DescriptorLow.Valid |
      DescriptorLow.TableOrPage |
      DescriptorLow.AccessFlag |
      (form.attributeIndex << ATTR_INDX_SHIFT);
    writeEntry(words, pages + page, form.region + source, low | common, high);
  }
  return { bytes, rootAddress };
}

/** The stub's virtual address, without the sign extension of an upper half. */
export function stubOffset({ granule, rootLevel, slot }: StubTablesForm): bigint {
  return BigInt(slot) << BigInt(spanShift(granule, rootLevel));
}

function codeAttributes(): readonly [low: number, high: number] {
  return [DescriptorLow.ReadOnly | DescriptorLow.User, 0];
}

function dataAttributes(hasUser: boolean): readonly [low: number, high: number] {
  return hasUser
    ? [0, DescriptorHigh.UserExecuteNever | DescriptorHigh.PrivilegedExecuteNever]
    : [DescriptorLow.User, DescriptorHigh.UserExecuteNever];
}

function writeEntry(words: Uint32Array, index: number, address: number, low: number, high: number): void {
  words[index * 2] = (address % 2 ** 32) | low;
  words[index * 2 + 1] = Math.floor(address / 2 ** 32) | high;
}

/** The index of the MAIR byte that suits code best: normal memory, else any (Arm ARM D19.2.100). */
export function stubAttributeIndex(mair: bigint): number {
  for (let index = 0; index < 8; index++) {
    if (((mair >> BigInt(8 * index)) & 0xf0n) !== 0n) return index;
  }
  return 0;
}
