import { describe, expect, test } from 'vitest';
import { Mair, MairAttribute, NormalMemory } from '../../index.ts';

const { NonCacheable, WriteBackNonTransientReadWriteAllocate, WriteBackTransientReadWriteAllocate } =
  NormalMemory;

describe('MAIR', () => {
  test('has its attributes in bytes, the first one lowest', () => {
    const mair = Mair.of(
      MairAttribute.DeviceNGnRE,
      MairAttribute.normal(NonCacheable, NonCacheable),
      MairAttribute.normal(WriteBackNonTransientReadWriteAllocate, WriteBackTransientReadWriteAllocate),
    );
    expect(mair.bits).toBe(0x7f_4404n);
    expect(mair.attributes).toEqual([0x04, 0x44, 0x7f, 0, 0, 0, 0, 0]);
    expect(mair.withAttribute(7, 0xff).withAttribute(1, 0).bits).toBe(0xff00_0000_007f_0004n);
  });

  test('refuses a ninth attribute, and one that is no byte', () => {
    expect(() => Mair.Empty.withAttribute(8, 0)).toThrow(RangeError);
    expect(() => Mair.Empty.withAttribute(0, 0x100)).toThrow(RangeError);
    expect(() => Mair.of(0, 0, 0, 0, 0, 0, 0, 0, 0)).toThrow(RangeError);
    expect(() => new Mair(1n << 64n)).toThrow(RangeError);
  });

  test.each([
    [0x00, 'Device-nGnRnE'],
    [0x0c, 'Device-GRE'],
    [0x44, 'Normal, inner NonCacheable, outer NonCacheable'],
    [
      0xff,
      'Normal, inner WriteBackNonTransientReadWriteAllocate, outer WriteBackNonTransientReadWriteAllocate',
    ],
    [0x01, 'unpredictable (0x1)'],
    [0x40, 'unpredictable (0x40)'],
  ])('%i is described as %s', (attribute, text) => {
    expect(MairAttribute.describe(attribute)).toBe(text);
    expect(new Mair(BigInt(attribute)).toString()).toContain(`0: ${text}`);
  });
});
