import { describe, expect, test } from 'vitest';
import { x64Image } from '../../../test/inputs/images.ts';
import type { CoreNote } from './elf-core.ts';
import { readElfCore } from './elf-core.ts';
import { writeElfCore } from './elf-writer.ts';
import { QemuCpuState, registersFromQemuNote } from './qemu-note.ts';

const FILE = 'tables.core';

function notesOf(damage: (state: DataView) => void = () => {}): readonly CoreNote[] {
  const image = x64Image(0x1_2340_0000n);
  const { notes } = readElfCore(FILE, writeElfCore(image.memory, image.registers));
  damage((notes[0] as CoreNote).descriptor);
  return notes;
}

describe("the registers of a core's QEMU note", () => {
  test('are CR0, CR3 and CR4, with EFER and address width assumed and said so', () => {
    expect(registersFromQemuNote(FILE, notesOf())).toEqual({
      registers: {
        architecture: 'x64',
        cr0: 0x8001_0033n,
        cr3: 0x1_2340_0000n,
        cr4: 0x20n,
        efer: 0xd00n,
        physicalAddressBits: 40,
      },
      assumptions: [
        expect.stringContaining('no EFER, taken to be 0xd00'),
        expect.stringContaining('taken to be 40'),
      ],
    });
  });

  test('are absent where there is no such note', () => {
    const [note] = notesOf();
    expect(registersFromQemuNote(FILE, [])).toBeUndefined();
    expect(registersFromQemuNote(FILE, [{ ...(note as CoreNote), name: 'CORE' }])).toBeUndefined();
  });

  test('are those of the first CPU', () => {
    const second = notesOf((state) => state.setBigUint64(QemuCpuState.Cr3, 0x9000n, true));
    expect(registersFromQemuNote(FILE, [...notesOf(), ...second])?.registers.cr3).toBe(0x1_2340_0000n);
  });

  test('are refused in another version, too short, or with paging off', () => {
    const version = notesOf((state) => state.setUint32(QemuCpuState.Version, 2, true));
    expect(() => registersFromQemuNote(FILE, version)).toThrow('the QEMU note has version 2');
    const short = notesOf().map((note) => ({ ...note, descriptor: new DataView(new ArrayBuffer(8)) }));
    expect(() => registersFromQemuNote(FILE, short)).toThrow('has version 0 and 8 bytes');
    const off = notesOf((state) => state.setBigUint64(QemuCpuState.Cr0, 0x11n, true));
    expect(() => registersFromQemuNote(FILE, off)).toThrow('cr0 0x11 and cr4 0x20');
  });
});
