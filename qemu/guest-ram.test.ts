import { execaSync } from 'execa';
import tmp from 'tmp';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { PhysicalMemory } from '../src/memory/physical-memory.ts';
import { endOfMemory, GuestRam, RAM_GRANULE } from './guest-ram.ts';

const opened: GuestRam[] = [];
afterEach(() => {
  for (const ram of opened.splice(0)) ram.close();
  vi.unstubAllEnvs();
});

function ramOf(size: number, expectedUse = size): GuestRam {
  const ram = new GuestRam('test', size, expectedUse);
  opened.push(ram);
  return ram;
}

describe('the RAM of a guest', () => {
  test('is zero where nothing was written, and what was written elsewhere', () => {
    const ram = ramOf(RAM_GRANULE);
    ram.writeU64(0x1008, 0x1122_3344_5566_7788n);
    expect(ram.readU64(0x1008)).toBe(0x1122_3344_5566_7788n);
    expect(ram.readU32(0x100c)).toBe(0x1122_3344);
    expect(ram.readU64(0x1010)).toBe(0n);
  });

  test('takes storage only for what is written, even at 4 TiB', () => {
    const ram = ramOf(2 ** 42, 0);
    const memory = PhysicalMemory.allocate(2 ** 42 - 0x10_0000, 0x10_0000);
    memory.writeEntry(2 ** 42 - 8, 0x1234n);
    ram.writeMemory(memory);
    expect(ram.readU64(2 ** 42 - 8)).toBe(0x1234n);
    expect(ram.bytesInUse).toBeLessThan(0x8_0000);
  });

  test('gives back the ranges of a memory', () => {
    const ram = ramOf(RAM_GRANULE);
    ram.writeU64(0x5000, 7n);
    const copy = PhysicalMemory.allocate(0x4000, 0x2000);
    ram.readMemory(copy);
    expect(copy.readEntry(0x5000)).toBe(7n);
    expect(endOfMemory(copy)).toBe(0x6000);
  });

  test('is cleared where the host has written, but for what is kept, which the next time is cleared too', () => {
    const ram = ramOf(RAM_GRANULE);
    const places = [0x0, 0x2ffc, 0x5008, 0x6000, 0x1f_fff8];
    for (const place of places) ram.writeU64(place, 0x0101_0101_0101_0101n);
    const left = () => places.map((place) => ram.readU64(place)).filter((value) => value !== 0n).length;
    expect(ram.canClear).toBe(true);
    ram.clear(0x5000, 0x1000);
    expect(ram.readU64(0x5008)).toBe(0x0101_0101_0101_0101n);
    expect(left()).toBe(1);
    ram.clear(0x10_0000, 0x1000);
    expect(left()).toBe(0);
  });

  test('cannot be cleared once much of it was written', () => {
    const ram = ramOf(64 * RAM_GRANULE);
    ram.write(0, new Uint8Array(16_383 * 4096));
    expect(ram.canClear).toBe(true);
    ram.write(32 * RAM_GRANULE, new Uint8Array(1));
    expect(ram.canClear).toBe(false);
  });

  test('ends where it ends: a read beyond is an error with the address', () => {
    const ram = ramOf(RAM_GRANULE);
    expect(() => ram.read(RAM_GRANULE - 4, new Uint8Array(8))).toThrow('guest memory ends before 0x200004');
  });
});

describe('a guest without room for its RAM', () => {
  test('a folder for temporary files that is not there is named', () => {
    vi.stubEnv('TMPDIR', '/no-such-folder');
    expect(() => ramOf(RAM_GRANULE, Number.MAX_VALUE)).toThrow(
      /^test: cannot make a file in \/no-such-folder: /,
    );
  });

  const small = mountSmallFolder();
  test.runIf(small !== undefined)('a full folder is named, with the address that did not fit', () => {
    vi.stubEnv('TMPDIR', small);
    const ram = ramOf(RAM_GRANULE * 8, Number.MAX_VALUE);
    const tooMuch = new Uint8Array(RAM_GRANULE).fill(1);
    const fill = () => {
      for (let at = 0; at < ram.size; at += tooMuch.length) ram.write(at, tooMuch);
    };
    expect(fill).toThrow(/^test: cannot write 2097152 bytes of guest memory at 0x.*: ENOSPC/);
  });
});

/** A folder with room for 4 MiB, where the system lets us make one. */
function mountSmallFolder(): string | undefined {
  const folder = tmp.dirSync({ prefix: 'small' });
  const { failed } = execaSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder.name], {
    reject: false,
  });
  if (failed) {
    folder.removeCallback();
    return undefined;
  }
  afterAll(() => {
    execaSync('umount', ['-l', folder.name], { reject: false });
    folder.removeCallback();
  });
  return folder.name;
}
