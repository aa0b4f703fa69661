import { describe, expect, it } from 'vitest';
import { describeAArch64Fault } from '../../src/aarch64/walk-fault.ts';
import { type Access, AccessList, Privilege } from '../../src/access-list.ts';
import { KNOWN_ALL, OutcomeList, StructuralFault, x64Fault } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';
import { describeX64Fault, x64MemoryTypeName } from '../../src/x64/walk-fault.ts';
import { ADDRESS as A_ADDRESS, page as aarch64Page, descriptorAddress } from './aarch64-page.ts';
import { said } from './said.ts';
import { ADDRESS, entryAddress, P, PAGE, page, RW, US } from './x64-page.ts';

const READ = { access: 0, privilege: Privilege.Supervisor } as const;

describe('predict', () => {
  it('fills every column of each record, whatever stood there', () => {
    const { memory, registers } = page();
    const accesses = new AccessList(2);
    accesses.set(0, Number(ADDRESS & 0xffff_ffffn), Number(ADDRESS >> 32n), 1, Privilege.User);
    accesses.set(1, 0x5000, 0, 1, Privilege.User);
    const outcomes = new OutcomeList(2);
    outcomes.fault.fill(77);
    outcomes.faultAddress.fill(77n);
    outcomes.physicalAddress.fill(77);
    outcomes.memoryType.fill(77);
    createWalker(memory, registers).predict(accesses, outcomes);
    expect(outcomes).toMatchObject({
      known: Uint8Array.of(KNOWN_ALL, KNOWN_ALL),
      fault: Uint32Array.of(0, x64Fault(14, 6)),
      faultAddress: BigUint64Array.of(0n, 0x5000n),
      physicalAddress: Float64Array.of(Number(PAGE) + 0x123, -1),
      memoryType: Uint16Array.of(6, 0),
    });
  });

  it('works on a part of a shared buffer, and leaves outcomes behind the accesses alone', () => {
    const { memory, registers } = page();
    const accesses = new AccessList(4, new SharedArrayBuffer(128), 32).slice(1, 2);
    accesses.set(0, 0x1000, 0, 0, Privilege.Supervisor);
    const outcomes = new OutcomeList(3);
    createWalker(memory, registers).predict(accesses, outcomes);
    expect([...outcomes.fault]).toEqual([x64Fault(14, 0), 0, 0]);
    expect([...outcomes.known]).toEqual([KNOWN_ALL, 0, 0]);
  });

  it('reads the tables anew at each call', () => {
    const x64 = page();
    const x64Walker = createWalker(x64.memory, x64.registers);
    expect(said(x64Walker.translate({ address: ADDRESS, ...READ }))).toBe('completes');
    x64.memory.writeEntry(entryAddress('PT'), 0n);
    expect(said(x64Walker.translate({ address: ADDRESS, ...READ }))).toBe('#PF error code 0x0');
    x64.memory.writeEntry(entryAddress('PT'), PAGE | P | RW | US);
    expect(said(x64Walker.translate({ address: ADDRESS, ...READ }))).toBe('completes');

    const aarch64 = aarch64Page();
    const aarch64Walker = createWalker(aarch64.memory, aarch64.registers);
    expect(said(aarch64Walker.translate({ address: A_ADDRESS, ...READ }))).toBe('completes');
    aarch64.memory.writeEntry(descriptorAddress(2), 0n);
    expect(said(aarch64Walker.translate({ address: A_ADDRESS, ...READ }))).toContain(
      'translation fault level 2',
    );
  });

  it('refuses too few outcomes, and a record that is no access', () => {
    const { memory, registers } = page();
    const walker = createWalker(memory, registers);
    expect(() => walker.predict(new AccessList(3), new OutcomeList(2))).toThrow(
      /3 accesses do not fit into a list of 2 outcomes/,
    );
    const accesses = new AccessList(1);
    accesses.set(0, 0x1000, 0, 3 as Access, Privilege.Supervisor);
    expect(() => walker.predict(accesses, new OutcomeList(1))).toThrow(/access 0 at 0x1000: access 3/);
  });

  it('refuses an address that is no 64-bit address', () => {
    const { memory, registers } = page();
    const walker = createWalker(memory, registers);
    for (const address of [1n << 64n, -1n, -1, 0.5]) {
      expect(() => walker.translate({ address, ...READ })).toThrow(RangeError);
      expect(() => walker.explain(address)).toThrow(RangeError);
    }
  });
});

describe('faults in words', () => {
  it.each([
    [0, 'no fault'],
    [x64Fault(14, 0x3f), '#PF error code 0x3f (P, W, U, RSVD, I, PK)'],
    [x64Fault(13, 0), '#GP error code 0x0'],
    [x64Fault(8, 0), 'vector 8 error code 0x0'],
    [StructuralFault.TableOutsideMemory, 'table outside memory'],
  ])('x64 %i: %s', (fault, text) => {
    expect(describeX64Fault(fault)).toBe(text);
  });

  it.each([
    [0, 'no fault'],
    [0x9600_004f, 'data abort, same EL, permission fault level 3, write'],
    [0x9200_0004, 'data abort, lower EL, translation fault level 0, read'],
    [0x8600_002b, 'instruction abort, same EL, translation fault level -1'],
    [0x8200_0029, 'instruction abort, lower EL, address size fault level -1'],
    [0x9600_0010, 'data abort, same EL, external abort, read'],
    [0x9600_0021, 'data abort, same EL, fault status 0x21, read'],
    [0x5600_0000, 'exception class 0x15'],
    [StructuralFault.TableOutsideMemory, 'table outside memory'],
  ])('AArch64 %i: %s', (esr, text) => {
    expect(describeAArch64Fault(esr)).toBe(text);
  });

  it('memory types have the manual’s names', () => {
    expect([0, 1, 4, 5, 6, 7].map(x64MemoryTypeName)).toEqual(['UC', 'WC', 'WT', 'WP', 'WB', 'UC-']);
    expect(x64MemoryTypeName(2)).toBe('reserved 2');
  });
});
