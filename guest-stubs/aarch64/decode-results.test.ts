import { describe, expect, test } from 'vitest';
import { Access, AccessFlag, AccessList, Privilege } from '../../src/access-list.ts';
import { KNOWN_ALL, Known, OutcomeList, StructuralFault, Translated } from '../../src/outcome-list.ts';
import { RESULT_RECORD_BYTES, Result, VECTOR_NONE, VECTOR_UNWRITTEN } from '../protocol.ts';
import { writeTag } from './data-tag.ts';
import { decodeResults, StubResultError } from './decode-results.ts';
import { VECTOR_REFUSED, VECTOR_SAME_LEVEL, VECTOR_UNREADABLE, VECTOR_USER } from './stub-protocol.ts';

const ADDRESS = 0x5000n;
const READ_EL1 = 0x4000_2000n;
const READ_EL0 = 0x4000_2100n;
const WRITE_EL1 = 0x4000_2200n;
const WRITE_EL0 = 0x4000_2300n;
/** PAR_EL1: frame 0x12345, write-back, inner shareable. */
const PAR = 0xff00_0000_1234_5980n;
const PAR_FAILED = 0x80fn;

/** What the stub wrote about one access. */
interface StubRecord {
  readonly par?: bigint;
  readonly faultAddress?: bigint;
  readonly syndrome?: number;
  readonly vector: number;
  readonly instruction?: bigint;
}

interface Asked {
  readonly access?: Access;
  readonly privilege?: Privilege;
  readonly flags?: number;
  /** Frames whose slots are tagged. */
  readonly tagged?: readonly number[];
  readonly keepsTlb?: boolean;
}

function decode(record: StubRecord, asked: Asked = {}) {
  const {
    access = Access.Read,
    privilege = Privilege.Supervisor,
    flags = 0,
    tagged = [],
    keepsTlb = false,
  } = asked;
  const accesses = new AccessList(1);
  accesses.set(0, Number(ADDRESS), 0, access, privilege, flags);
  const view = new DataView(new ArrayBuffer(RESULT_RECORD_BYTES));
  view.setBigUint64(Result.Value, record.par ?? PAR, true);
  view.setBigUint64(Result.FaultAddress, record.faultAddress ?? 0n, true);
  view.setUint32(Result.Syndrome, record.syndrome ?? 0, true);
  view.setUint16(Result.Vector, record.vector, true);
  view.setBigUint64(Result.Instruction, record.instruction ?? 0n, true);
  const outcomes = new OutcomeList(1);
  const remarks = new Map<number, string>();
  const batch = {
    accesses,
    indices: Uint32Array.of(0),
    readInstruction: [READ_EL1, READ_EL0],
    writeInstruction: [WRITE_EL1, WRITE_EL0],
    isFetchTypeKnown: true,
    keepsTlb,
    isTagged: (physicalAddress: number) => tagged.includes(Math.floor(physicalAddress / 0x1000)),
  } as const;
  decodeResults(batch, new Uint32Array(view.buffer), outcomes, remarks);
  return {
    known: outcomes.known[0],
    fault: outcomes.fault[0],
    faultAddress: outcomes.faultAddress[0],
    physicalAddress: outcomes.physicalAddress[0],
    translated: outcomes.translated?.[0] ?? 0,
    memoryType: outcomes.memoryType[0],
    remark: remarks.get(0),
  };
}

function tagOf(frame: number): bigint {
  const words = new Uint32Array(4);
  writeTag(words, 0, frame);
  return (BigInt(words[1] as number) << 32n) | BigInt(words[0] as number);
}

describe('a completed access while translations are cached', () => {
  const kept = { keepsTlb: true, tagged: [0x777, 0x12345] } as const;
  const UNLOCATED = KNOWN_ALL & ~(Known.PhysicalAddress | Known.MemoryType | Known.Shareability);

  test('went where the data tag says; the memory type is AT’s if AT leads there', () => {
    const outcome = decode({ vector: VECTOR_NONE, faultAddress: tagOf(0x12345) }, kept);
    expect(outcome).toMatchObject({ known: KNOWN_ALL, physicalAddress: 0x1234_5000, memoryType: 0x3ff });
    expect([outcome.translated, outcome.remark]).toEqual([Translated.MemoryType, undefined]);
  });

  test.each([PAR, PAR_FAILED])('has no memory type if AT (PAR %i) leads elsewhere or nowhere', (par) => {
    const outcome = decode({ vector: VECTOR_NONE, par, faultAddress: tagOf(0x777) }, kept);
    expect(outcome).toMatchObject({ known: UNLOCATED | Known.PhysicalAddress, physicalAddress: 0x77_7000 });
    expect(outcome.remark).toMatch(/where the tables, which AT walks anew, do not lead/);
  });

  test('has no place without a tag, even where AT leads somewhere: neither untagged content nor an abort has one', () => {
    const abort = { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0010, instruction: READ_EL1 };
    const untagged = { vector: VECTOR_NONE, faultAddress: tagOf(0x888) };
    for (const record of [abort, untagged, { vector: VECTOR_NONE, faultAddress: 0xabcn }]) {
      const outcome = decode(record, kept);
      expect(outcome).toMatchObject({ known: UNLOCATED, fault: 0, physicalAddress: -1 });
      expect(outcome.remark).toMatch(/found no data tag/);
    }
  });

  test('of a fetch is told by what the fetched instructions have left', () => {
    const record = { vector: VECTOR_USER, syndrome: 0xf200_0000, instruction: ADDRESS, faultAddress: 0x777n };
    const asked = { ...kept, access: Access.Execute, privilege: Privilege.User };
    expect(decode(record, asked)).toMatchObject({ fault: 0, physicalAddress: 0x77_7000 });
  });
});

describe('a completed access', () => {
  test('lands where PAR_EL1 says, with its memory type', () => {
    expect(decode({ vector: VECTOR_NONE })).toMatchObject({
      known: KNOWN_ALL,
      fault: 0,
      physicalAddress: 0x1234_5000,
      memoryType: 0x3ff,
    });
  });

  test('is an external abort where no memory is', () => {
    const record = { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0010, instruction: READ_EL1 };
    expect(decode(record)).toMatchObject({ fault: 0, physicalAddress: 0x1234_5000 });
  });

  test('is a breakpoint or an undefined instruction, for a fetch', () => {
    const asked = { access: Access.Execute, privilege: Privilege.User };
    for (const syndrome of [0xf200_0000, 0x0200_0000]) {
      const record = { vector: VECTOR_USER, syndrome, instruction: ADDRESS, faultAddress: 0x12345n };
      expect(decode(record, asked)).toMatchObject({ fault: 0, physicalAddress: 0x1234_5000 });
    }
  });

  test('went where the data tag says, if that is not where AT says', () => {
    const record = { vector: VECTOR_NONE, faultAddress: tagOf(0x777) };
    const outcome = decode(record, { tagged: [0x777, 0x12345] });
    expect(outcome.physicalAddress).toBe(0x77_7000);
    expect(outcome.remark).toMatch(/AT reported physical address 0x12345000/);
  });

  test('has no known place if it did not find the tag that stands where AT says', () => {
    const outcome = decode({ vector: VECTOR_NONE, faultAddress: 0xabcn }, { tagged: [0x12345] });
    expect((outcome.known ?? 0) & Known.PhysicalAddress).toBe(0);
    expect(outcome.remark).toMatch(/did not find/);
  });

  test('has no known place if AT failed', () => {
    const outcome = decode({ vector: VECTOR_NONE, par: PAR_FAILED });
    expect(outcome).toMatchObject({ fault: 0, physicalAddress: -1 });
    expect((outcome.known ?? 0) & (Known.PhysicalAddress | Known.MemoryType)).toBe(0);
    expect(outcome.remark).toMatch(/although AT reported/);
  });
});

describe('a fault', () => {
  test('has the whole ESR, and FAR of the address that was asked for', () => {
    const record = { vector: VECTOR_USER, syndrome: 0x9200_004f, instruction: WRITE_EL0 };
    const outcome = decode(
      { ...record, par: PAR_FAILED, faultAddress: ADDRESS + 7n },
      { access: Access.Write, privilege: Privilege.User },
    );
    expect(outcome).toMatchObject({ known: KNOWN_ALL, fault: 0x9200_004f, faultAddress: ADDRESS });
  });

  test('is reported with a wrong FAR as it is', () => {
    const record = { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0007, instruction: READ_EL1 };
    expect(decode({ ...record, faultAddress: 0x5008n }).faultAddress).toBe(0x5008n);
  });

  test('of a walk that met no memory is a table outside memory', () => {
    const record = { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0016, instruction: READ_EL1 };
    expect(decode(record).fault).toBe(StructuralFault.TableOutsideMemory);
  });

  test('of another class than an abort is no completion of a read', () => {
    const record = { vector: VECTOR_SAME_LEVEL, syndrome: 0x0200_0000, instruction: READ_EL1 };
    expect(decode(record).fault).toBe(0x0200_0000);
  });
});

test('AT alone answers whether and where, but not which exception', () => {
  const asked = { flags: AccessFlag.TranslateOnly };
  expect(decode({ vector: VECTOR_NONE }, asked).physicalAddress).toBe(0x1234_5000);
  const failed = decode({ vector: VECTOR_NONE, par: PAR_FAILED }, asked);
  expect((failed.fault ?? 0) & 0x3f).toBe(0x07);
  expect((failed.known ?? 0) & (Known.FaultClass | Known.Syndrome | Known.FaultAddress)).toBe(0);
});

describe('what AT said and not the access is told apart:', () => {
  const tag = (frame: number) => {
    const words = new Uint32Array(4);
    writeTag(words, 0, frame);
    return new DataView(words.buffer).getBigUint64(0, true);
  };

  test('the place, unless a data tag showed it; the memory type, always', () => {
    const seen = decode({ vector: VECTOR_NONE, faultAddress: tag(0x12345) }, { tagged: [0x12345] });
    expect(seen.translated).toBe(Translated.MemoryType);
    const unseen = decode({ vector: VECTOR_NONE, faultAddress: 0x1234n });
    expect(unseen.translated).toBe(Translated.MemoryType | Translated.PhysicalAddress);
    const noMemory = { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0010, instruction: READ_EL1 };
    expect(decode(noMemory).translated).toBe(Translated.MemoryType | Translated.PhysicalAddress);
  });

  test('nothing of a fault', () => {
    const fault = { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0007, instruction: READ_EL1 };
    expect(decode(fault).translated).toBe(0);
  });

  test('everything where no access was made', () => {
    const asked = { flags: AccessFlag.TranslateOnly };
    expect(decode({ vector: VECTOR_NONE }, asked).translated).toBe(Translated.Everything);
    const unreadable = decode({ vector: VECTOR_UNREADABLE }, { access: Access.Write });
    expect(unreadable).toMatchObject({ translated: Translated.Everything, physicalAddress: 0x1234_5000 });
    expect(unreadable.remark).toMatch(/^not made: stage 2/);
    expect(decode({ vector: VECTOR_UNREADABLE }, { access: Access.Execute }).known).toBe(0);
  });
});

test('a fetch that was not made has no outcome but a remark', () => {
  const outcome = decode({ vector: VECTOR_REFUSED, faultAddress: 0xd65f_03c0n }, { access: Access.Execute });
  expect(outcome.known).toBe(0);
  expect(outcome.remark).toBe('not executed: 0xd65f03c0 at the address is not harmless');
});

test.each<[string, StubRecord, Asked, RegExp]>([
  ['was not written', { vector: VECTOR_UNWRITTEN }, {}, /wrote no result \(read of 0x5000\)/],
  [
    'comes from another level than the access',
    { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0007, instruction: READ_EL0 },
    { privilege: Privilege.User },
    /exception at vector 4/,
  ],
  [
    'comes from another instruction than the access',
    { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0007, instruction: 0x4000_2004n },
    {},
    /at 0x40002004, not at 0x40002000/,
  ],
  [
    'comes from an instruction that differs in the upper half of its address',
    { vector: VECTOR_SAME_LEVEL, syndrome: 0x9600_0007, instruction: READ_EL1 | (1n << 63n) },
    {},
    /at 0x8000000040002000, not at 0x40002000/,
  ],
  [
    'comes from a fetch at another address than the one asked for',
    { vector: VECTOR_SAME_LEVEL, syndrome: 0x8600_0007, instruction: ADDRESS | (1n << 55n) },
    { access: Access.Execute },
    /at 0x80000000005000, not at 0x5000/,
  ],
])('a record that %s is an error, never an outcome', (_, record, asked, message) => {
  expect(() => decode(record, asked)).toThrow(StubResultError);
  expect(() => decode(record, asked)).toThrow(message);
});
