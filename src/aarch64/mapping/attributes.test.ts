import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  el1Mapping,
  el2Mapping,
  NORMAL,
  NORMAL_EL2,
  region,
  tableMemory,
} from '../../../test/mappings/tables.ts';
import { errorOf } from '../../../test/support/error-of.ts';
import {
  El1And0,
  type El1AttributeBits,
  El1Attributes,
  El2,
  El3,
  El23Attributes,
  IdMap,
  Mapping,
  RootTable,
  Stage2,
  Stage2Attributes,
} from '../../index.ts';

const bits = (...positions: number[]): bigint => positions.reduce((all, at) => all | (1n << BigInt(at)), 0n);

describe('attributes stand at their places in a descriptor', () => {
  test.each([
    ['Valid', bits(0)],
    ['AttributeIndex5', bits(2, 4)],
    ['NonSecure', bits(5)],
    ['User', bits(6)],
    ['ReadOnly', bits(7)],
    ['InnerShareable', bits(8, 9)],
    ['Accessed', bits(10)],
    ['NonGlobal', bits(11)],
    ['NoTranslation', bits(16)],
    ['GuardedPage', bits(50)],
    ['DirtyBitModifier', bits(51)],
    ['ContiguousOrProtected', bits(52)],
    ['Pxn', bits(53)],
    ['Uxn', bits(54)],
    ['SoftwareFlag0', bits(55)],
    ['SoftwareFlag3', bits(58)],
    ['PxnTable', bits(59)],
    ['NsTable', bits(63)],
  ] as const)('El1Attributes.%s', (name, expected) => {
    expect(El1Attributes.toBits(El1Attributes[name])).toBe(expected);
    expect(El1Attributes.fromBits(expected)).toBe(El1Attributes[name]);
    expect(El1Attributes.names(El1Attributes[name])).toContain(name);
  });

  test('XN of EL2 and EL3 is bit 54, not bit 53', () => {
    expect(El23Attributes.toBits(El23Attributes.Xn)).toBe(bits(54));
    expect(errorOf(() => El23Attributes.fromBits(bits(53)))).toMatchObject({
      code: 'InvalidFlags',
      details: { bits: bits(53) },
    });
  });

  test('stage 2: MemAttr, S2AP and SH', () => {
    const { MemAttrNormalInnerWB, MemAttrNormalOuterWT, S2apAccessRO, ShInner, AccessFlag } =
      Stage2Attributes;
    const flags = Stage2Attributes.union(
      MemAttrNormalInnerWB,
      MemAttrNormalOuterWT,
      S2apAccessRO,
      ShInner,
      AccessFlag,
    );
    expect(Stage2Attributes.toBits(flags)).toBe(bits(2, 3, 5, 6, 8, 9, 10));
    expect(Stage2Attributes.names(flags)).toEqual([
      'MemAttrNormalInnerWBOuterWT',
      'S2apAccessRO',
      'ShInner',
      'AccessFlag',
    ]);
  });

  test('address bits are no attributes', () => {
    expect(errorOf(() => El1Attributes.fromBitsRetain(bits(12))).code).toBe('InvalidFlags');
    expect(errorOf(() => El1Attributes.fromBitsRetain(bits(48))).code).toBe('InvalidFlags');
  });

  test('a union has all, without takes some away, contains looks for all', () => {
    const both = El1Attributes.union(El1Attributes.Valid, El1Attributes.ReadOnly);
    expect(El1Attributes.contains(both, El1Attributes.ReadOnly)).toBe(true);
    expect(El1Attributes.contains(El1Attributes.Valid, both)).toBe(false);
    expect(El1Attributes.without(both, El1Attributes.ReadOnly)).toBe(El1Attributes.Valid);
  });
});

describe('a regime takes its own attributes', () => {
  test('others do not compile, and are refused at run time', () => {
    const page = region(0, 0x1000);
    const el1 = el1Mapping();
    const el2 = el2Mapping();
    const stage2 = new Mapping({ regime: Stage2, rootLevel: 1, ...tableMemory() });
    // @ts-expect-error EL1 attributes in stage 2 tables
    expect(errorOf(() => stage2.mapRange(page, 0, NORMAL)).message).toMatch(/El1Attributes, not Stage2Attr/);
    // @ts-expect-error EL2 attributes in EL1 tables
    expect(errorOf(() => el1.mapRange(page, 0, NORMAL_EL2)).code).toBe('InvalidFlags');
    // @ts-expect-error EL1 attributes in EL2 tables
    expect(errorOf(() => el2.mapRange(page, 0, NORMAL)).code).toBe('InvalidFlags');
    // @ts-expect-error a plain number
    expect(errorOf(() => el1.mapRange(page, 0, 0x705)).message).toMatch(/a plain number/);
    // @ts-expect-error two kinds together are none
    expect(errorOf(() => el1.mapRange(page, 0, NORMAL | NORMAL_EL2)).code).toBe('InvalidFlags');
    expect(
      errorOf(() =>
        el1.modifyRange(page, (descriptor) => {
          // @ts-expect-error stage 2 attributes in a callback of EL1 tables
          descriptor.modifyFlags(Stage2Attributes.Xn, El1Attributes.Empty);
        }),
      ).code,
    ).toBe('PteUpdateFault');
  });

  test('bits that the regime does not name are refused, and taken with atomic: false', () => {
    const pxn = El23Attributes.fromBitsRetain(bits(0, 53));
    expect(errorOf(() => el2Mapping().mapRange(region(0, 0x1000), 0, pxn))).toMatchObject({
      code: 'InvalidFlags',
      details: { bits: bits(0, 53) },
    });
    expect(() => el2Mapping({ atomic: false }).mapRange(region(0, 0x1000), 0, pxn)).not.toThrow();
  });

  test('ASID and range belong to the regimes that have them', () => {
    const options = { rootLevel: 1, ...tableMemory() };
    // @ts-expect-error EL1&0 needs an ASID
    expect(() => new Mapping({ regime: El1And0, ...options })).toThrow(RangeError);
    // @ts-expect-error EL3 has none
    expect(() => new Mapping({ regime: El3, asid: 1, ...options })).toThrow('EL3 has no ASID');
    // @ts-expect-error EL2 has no upper range
    expect(errorOf(() => new Mapping({ regime: El2, vaRange: 'upper', ...options })).code).toBe(
      'InvalidVaRange',
    );
    // @ts-expect-error an identity map is always lower
    void (() => new IdMap({ regime: El1And0, asid: 1, vaRange: 'upper', ...options }));
    expect(new RootTable({ regime: El1And0, vaRange: 'upper', ...options }).vaRange).toBe('upper');
    expectTypeOf<Parameters<Mapping<typeof El1And0>['mapRange']>[2]>().toEqualTypeOf<El1AttributeBits>();
  });
});
