import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FRAME_SIZE } from '../../../src/addresses.ts';
import { PhysicalMemory } from '../../../src/memory/physical-memory.ts';
import { el2Registers, x64Image, x64Registers } from '../../../test/inputs/images.ts';
import { coreMemory } from './core-memory.ts';
import { ELF_HEADER_BYTES, ElfHeader, PROGRAM_HEADER_BYTES, ProgramHeader } from './elf.ts';
import { readElfCore } from './elf-core.ts';
import { writeElfCore } from './elf-writer.ts';

const FILE = 'tables.core';

/** A core of the x64 test image: program header 0 is its note, 1 its memory. */
function core(): { bytes: Uint8Array; data: DataView } {
  const image = x64Image(0x20_0000n);
  const bytes = writeElfCore(image.memory, image.registers);
  return { bytes, data: new DataView(bytes.buffer) };
}

function fieldOf(header: number, field: number): number {
  return ELF_HEADER_BYTES + header * PROGRAM_HEADER_BYTES + field;
}

/** Memory with zeroed pages at each of the frames. */
function memoryAt(runs: readonly (readonly [frame: number, frames: number])[]): PhysicalMemory {
  const memory = new PhysicalMemory();
  for (const [frame, frames] of runs) {
    memory.addRange(frame * FRAME_SIZE, new ArrayBuffer(frames * FRAME_SIZE));
  }
  return memory;
}

function contentOf(memory: PhysicalMemory) {
  return memory.ranges.map(({ firstFrame, frameCount, words }) => ({
    firstFrame,
    frameCount,
    words: [...words],
  }));
}

describe('what is written reads back', () => {
  const anyRuns = fc
    .uniqueArray(fc.nat({ max: 2 ** 20 }), { minLength: 1, maxLength: 6 })
    // At least one frame between two runs, or they would read back as one.
    .map((starts) => starts.map((start) => [start * 4, 1 + (start % 3)] as const))
    .chain((runs) => fc.tuple(fc.constant(runs), fc.infiniteStream(fc.nat())));

  test.each([x64Registers(0n), el2Registers(0n)])('for $architecture', (registers) => {
    fc.assert(
      fc.property(anyRuns, ([runs, numbers]) => {
        const memory = memoryAt(runs);
        for (const { words } of memory.ranges) {
          for (let at = 0; at < words.length; at += 97) words[at] = numbers.next().value;
        }
        const read = readElfCore(FILE, writeElfCore(memory, registers));
        expect(read.architecture).toBe(registers.architecture);
        expect(contentOf(coreMemory(FILE, read))).toEqual(contentOf(memory));
      }),
      { numRuns: 25 },
    );
  });
});

describe('a file that is no core of guest memory is refused', () => {
  test.each<[string, (data: DataView) => void, string]>([
    ['no ELF magic', (data) => data.setUint8(1, 0x46), 'not an ELF file'],
    ['32-bit', (data) => data.setUint8(ElfHeader.Class, 1), 'a 32-bit ELF file'],
    ['big-endian', (data) => data.setUint8(ElfHeader.Data, 2), 'a big-endian ELF file'],
    ['an executable', (data) => data.setUint16(ElfHeader.Type, 2, true), 'an ELF file of type 2, not a core'],
    ['another machine', (data) => data.setUint16(ElfHeader.Machine, 243, true), 'a core of machine 243'],
    [
      'no program headers',
      (data) => data.setUint16(ElfHeader.ProgramHeaderCount, 0, true),
      'no program headers',
    ],
    [
      'short program headers',
      (data) => data.setUint16(ElfHeader.ProgramHeaderSize, 32, true),
      'program headers of 32 bytes',
    ],
    [
      'program headers beyond the end',
      (data) => data.setBigUint64(ElfHeader.ProgramHeaderOffset, 1n << 40n, true),
      '2 program headers at offset 0x10000000000',
    ],
    [
      'a count in a missing section',
      (data) => data.setUint16(ElfHeader.ProgramHeaderCount, 0xffff, true),
      'section header 0, which is not there',
    ],
    [
      'no memory',
      (data) => data.setUint32(fieldOf(1, ProgramHeader.Type), 0, true),
      'the core holds no memory',
    ],
    [
      'a segment beyond the end',
      (data) => data.setBigUint64(fieldOf(1, ProgramHeader.Offset), 0x2000n, true),
      'program header 1 has 0x4000 bytes at offset 0x2000, but the file ends at 0x5000',
    ],
    [
      'more bytes than memory',
      (data) => data.setBigUint64(fieldOf(1, ProgramHeader.MemorySize), 0x3000n, true),
      'program header 1 has 0x4000 bytes in the file for 0x3000 bytes of memory',
    ],
    [
      'a note beyond its segment',
      (data) => data.setBigUint64(fieldOf(0, ProgramHeader.FileSize), 0x40n, true),
      'the note at offset 0xb0 ends beyond its segment',
    ],
  ])('%s', (_what, damage, message) => {
    const { bytes, data } = core();
    damage(data);
    expect(() => readElfCore(FILE, bytes)).toThrow(message);
  });

  test('a core cut at any length', () => {
    const { bytes } = core();
    for (const length of [0, 3, 4, 63, 64, 0x80, 0xb0, 0x100, 0x1000, 0x4fff]) {
      expect(() => readElfCore(FILE, bytes.slice(0, length)), `${length} bytes`).toThrow(
        /truncated|not an ELF/,
      );
    }
    expect(() => readElfCore(FILE, bytes)).not.toThrow();
  });
});

describe('the memory of a core', () => {
  const bytes = new Uint8Array(0x1_0000).map((_, index) => index >> 8);
  const memoryOf = (
    segments: readonly (readonly [address: number, offset: number, size: number])[],
    of = bytes,
  ) =>
    coreMemory(FILE, {
      architecture: 'x64',
      bytes: of,
      notes: [],
      segments: segments.map(([address, offset, size], index) => ({
        index,
        physicalAddress: BigInt(address),
        offset,
        size,
      })),
    });

  test('is a view of the file, not a copy, where segments follow each other in both', () => {
    const memory = memoryOf([
      [0x1000, 0x1000, 0x1000],
      [0x2000, 0x2000, 0x3000],
    ]);
    expect(memory.ranges).toHaveLength(1);
    expect(memory.ranges[0]).toMatchObject({ firstFrame: 1, frameCount: 4 });
    expect(memory.ranges[0]?.words.buffer).toBe(bytes.buffer);
  });

  test('is joined where segments follow each other in memory only', () => {
    const memory = memoryOf([
      [0x2000, 0x1000, 0x1000],
      [0x1000, 0x5000, 0x1000],
    ]);
    expect(memory.ranges).toHaveLength(1);
    expect(memory.readEntry(0x1000)).toBe(0x5050_5050_5050_5050n);
    expect(memory.readEntry(0x2000)).toBe(0x1010_1010_1010_1010n);
  });

  test.each([bytes, Buffer.from(bytes)])('is copied where the file has it at an odd offset', (file) => {
    const memory = memoryOf([[0x1000, 0x1001, 0x1000]], file);
    expect(memory.readEntry(0x1000)).toBe(0x1010_1010_1010_1010n);
    expect(memory.readEntry(0x1ff8)).toBe(0x201f_1f1f_1f1f_1f1fn);
  });

  test('leaves out frames of which only a part was captured', () => {
    const memory = memoryOf([
      [0x1800, 0x1800, 0x2000],
      [0x8100, 0x4000, 0x200],
    ]);
    expect(memory.ranges.map(({ firstFrame, frameCount }) => [firstFrame, frameCount])).toEqual([[2, 1]]);
    expect(memory.readEntry(0x2000)).toBe(0x2020_2020_2020_2020n);
  });

  test('joins a frame that two segments hold together', () => {
    const memory = memoryOf([
      [0x1000, 0x1000, 0x800],
      [0x1800, 0x4000, 0x800],
    ]);
    expect(memory.readEntry(0x1000)).toBe(0x1010_1010_1010_1010n);
    expect(memory.readEntry(0x1800)).toBe(0x4040_4040_4040_4040n);
  });

  test('is refused where segments overlap, naming both', () => {
    expect(() =>
      memoryOf([
        [0x3000, 0x1000, 0x2000],
        [0x2000, 0x4000, 0x1001],
      ]),
    ).toThrow('program header 0 (0x3000–0x4fff) overlaps program header 1 (0x2000–0x3000)');
  });

  test('is refused where segments that follow each other share bytes of the file', () => {
    const segments = Array.from({ length: 20 }, (_, index) => [index * 0x1000, 0x1000, 0x1000] as const);
    expect(() => memoryOf(segments)).toThrow('0x14000 bytes from a file of 0x10000 bytes');
  });

  test('is refused beyond 52-bit physical addresses', () => {
    expect(() => memoryOf([[2 ** 52 - 0x1000, 0, 0x1000]])).not.toThrow();
    expect(() => memoryOf([[2 ** 52 - 0x1000, 0, 0x2000]])).toThrow('beyond 52-bit physical addresses');
  });
});
