import { expect, test } from 'vitest';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { ImageShadow } from './image-shadow.ts';

function changesOf(shadow: ImageShadow): string[] {
  const changes: string[] = [];
  shadow.takeChanges((address, low, high) => {
    changes.push(`${address.toString(16)}: ${high.toString(16)} ${low.toString(16)}`);
  });
  return changes;
}

test('every entry that has changed is handed over once, whichever of its words did', () => {
  const memory = PhysicalMemory.allocate(0x1_0000_0000, 0x2000);
  memory.writeEntry(0x1_0000_0008n, 7n);
  const shadow = new ImageShadow(memory);
  expect(changesOf(shadow)).toEqual([]);
  memory.writeEntry(0x1_0000_0010n, 0x8000_0000_0000_0000n);
  memory.writeEntry(0x1_0000_1ff8n, 0x67n);
  memory.writeEntry(0x1_0000_0008n, 0n);
  expect(changesOf(shadow)).toEqual(['100000008: 0 0', '100000010: 80000000 0', '100001ff8: 0 67']);
  expect(changesOf(shadow)).toEqual([]);
});

test('an entry that is what it was again has not changed', () => {
  const memory = PhysicalMemory.allocate(0x1000, 0x1000);
  const shadow = new ImageShadow(memory);
  memory.writeEntry(0x1000n, 1n);
  memory.writeEntry(0x1000n, 0n);
  expect(changesOf(shadow)).toEqual([]);
});

test('memory that was not there is an error with its address', () => {
  const memory = PhysicalMemory.allocate(0x1000, 0x1000);
  const shadow = new ImageShadow(memory);
  memory.addRange(0x4000, new ArrayBuffer(0x1000));
  expect(() => changesOf(shadow)).toThrow(/0x4000 was not there/);
});
