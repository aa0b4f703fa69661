import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Access, Privilege } from '../../src/access-list.ts';
import { PhysicalMemory } from '../../src/memory/physical-memory.ts';
import { createWalker } from '../../src/walker.ts';
import { el2Registers, MAPPED_FRAME, MAPPED_PAGE, x64Image, x64Registers } from '../../test/inputs/images.ts';
import { writeElfCore } from './capture/elf-writer.ts';
import { formatRegisters } from './capture/registers-file.ts';
import { writeCapture } from './capture/write-capture.ts';
import { InputError } from './input-error.ts';
import { loadInput } from './load-input.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mmucheck-inputs-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const LAYOUT = 'architecture: x64\nregions:\n  - {name: a, base: 1M, size: 2M, attributes: [read-only]}\n';
const image = x64Image(0x20_0000n);
const CORE = writeElfCore(image.memory, image.registers);

async function putCore(
  name: string,
  content: Uint8Array = CORE,
  registers = image.registers,
): Promise<string> {
  await put(`${name}.regs.json`, formatRegisters(registers, 'a test'));
  return put(`${name}.core`, content);
}

describe('what a file is, is decided by its content', () => {
  test('YAML is a layout, whatever its name', async () => {
    const input = await loadInput(await put('layout.core', LAYOUT));
    expect(input).toMatchObject({ kind: 'layout', architecture: 'x64', layout: { paging: '4-level' } });
  });

  test('JSON is a layout', async () => {
    const json = '{"architecture": "aarch64", "regions": [{"name": "a", "base": "1G", "size": "4K"}]}';
    expect(await loadInput(await put('layout.json', json))).toMatchObject({
      kind: 'layout',
      registers: { architecture: 'aarch64', exceptionLevel: 2 },
    });
  });

  test('an ELF core is a capture, compressed or not, whatever its name', async () => {
    const plain = await loadInput(await putCore('plain'));
    await put('packed.yaml.regs.json', formatRegisters(image.registers, 'a test'));
    const packed = await loadInput(await put('packed.yaml', gzipSync(CORE)));
    for (const input of [plain, packed]) {
      expect(input).toMatchObject({ kind: 'capture', registers: image.registers });
      expect(input.memory.ranges).toHaveLength(1);
      expect(input.memory.readEntry(0x20_3000)).toBe(MAPPED_FRAME | 7n);
    }
  });

  test.each<[string, () => string | Uint8Array, string]>([
    [
      'bytes of no kind',
      () => new Uint8Array([1, 2, 0, 255]),
      'neither a layout (YAML or JSON) nor a capture (ELF core)',
    ],
    ['text that is not UTF-8', () => new Uint8Array([0x61, 0xff, 0xfe]), 'neither a layout'],
    ['an empty file', () => '', 'the file is empty'],
    ['a compressed layout', () => gzipSync(LAYOUT), 'a gzip file that holds no ELF core'],
    [
      'gzip cut short',
      () => gzipSync(CORE).subarray(0, 100),
      'the gzip data ends too early: the file is truncated',
    ],
    ['gzip of two bytes', () => new Uint8Array([0x1f, 0x8b]), 'the gzip data ends too early'],
    [
      'gzip with a wrong checksum',
      () => damaged(gzipSync(CORE), -8),
      'the gzip data is damaged: incorrect data check',
    ],
    ['gzip with a damaged body', () => damaged(gzipSync(CORE), 3), 'the gzip data is damaged'],
    [
      'a core that was cut before it was compressed',
      () => gzipSync(CORE.subarray(0, 0x1800)),
      'it is truncated',
    ],
    ['a kdump', () => 'KDUMP   \0\0', 'a kdump-compressed dump; use dump-guest-memory without -z'],
  ])('%s', async (_what, content, message) => {
    const path = await put('wrong.core', content());
    const error = await loadInput(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toContain(`${path}: `);
    expect((error as InputError).message).toContain(message);
  });

  test('a file that is not there, and a folder', async () => {
    await expect(loadInput(join(folder, 'absent.yaml'))).rejects.toThrow(
      'cannot be read: no such file or folder',
    );
    await expect(loadInput(folder)).rejects.toThrow('cannot be read: it is a folder');
  });
});

describe('a capture', () => {
  test('without a registers file has those of its QEMU note on x64, and says what it assumes', async () => {
    const input = await loadInput(await put('note.core', CORE));
    expect(input).toMatchObject({ kind: 'capture', registers: { cr3: 0x20_0000n, efer: 0xd00n } });
    expect(input.kind === 'capture' && input.notes).toHaveLength(2);
  });

  test('without a registers file and without a note is refused, naming the file that is missing', async () => {
    const registers = el2Registers(0x20_0000n);
    const path = await put('arm.core', writeElfCore(image.memory, registers));
    await expect(loadInput(path)).rejects.toThrow(
      `the registers file ${join(folder, 'arm.regs.json')} is missing`,
    );
  });

  test('whose registers are those of another architecture is refused', async () => {
    const path = await putCore('mixed', CORE, el2Registers(0x20_0000n) as never);
    await expect(loadInput(path)).rejects.toThrow('arch is aarch64, but');
  });

  test('whose registers file is wrong is refused at its line', async () => {
    const path = await putCore('badregs');
    await put('badregs.regs.json', '{"arch": "x64",\n "cr3": "0x2000000000000000000"}');
    await expect(loadInput(path)).rejects.toThrow(
      'badregs.regs.json:2:9: "0x2000000000000000000" is out of range',
    );
  });

  test.each([
    ['paging off', { cr0: 0x33n }, 'cr0'],
    ['32-bit paging', { cr4: 0n }, 'cr4'],
    ['legacy PAE paging', { efer: 0n }, 'efer'],
  ])('of a CPU with %s is refused', async (_what, change, register) => {
    const path = await putCore('mode', CORE, { ...x64Registers(0x20_0000n), ...change });
    await expect(loadInput(path)).rejects.toThrow(new RegExp(`mode.regs.json: .*${register}`, 'i'));
  });

  test('without the page that CR3 points to is refused', async () => {
    const path = await putCore('root', CORE, x64Registers(0x30_0000n));
    await expect(loadInput(path)).rejects.toThrow(
      'the page at 0x300000, to which cr3 points, is not in the core',
    );
  });

  test('without the page that TTBR0 points to is refused', async () => {
    await put('ttbr.regs.json', formatRegisters(el2Registers(0x30_0000n), 'a test'));
    const path = await put('ttbr.core', writeElfCore(image.memory, el2Registers(0x30_0000n)));
    await expect(loadInput(path)).rejects.toThrow(
      'the page at 0x300000, to which ttbr0 points, is not in the core',
    );
  });

  test.each([0x20_0000n, 0x1_2340_0000n, 0x123_4567_8000n])('may have its tables at %d', async (base) => {
    const far = x64Image(base);
    const path = await putCore('far', writeElfCore(far.memory, far.registers), far.registers);
    const { memory, registers } = await loadInput(path);
    const read = createWalker(memory, registers).translate({
      address: MAPPED_PAGE + 8n,
      access: Access.Read,
      privilege: Privilege.User,
    });
    expect(read).toMatchObject({ physicalAddress: MAPPED_FRAME + 8n });
  });

  test('may have a table that points to itself', async () => {
    const memory = PhysicalMemory.allocate(0x1000, 0x1000);
    memory.writeEntry(0x1000, 0x1007n);
    const registers = x64Registers(0x1000n);
    const input = await loadInput(await putCore('loop', writeElfCore(memory, registers), registers));
    expect(input.query?.(0)).toEqual({ attributes: 0 });
  });

  test('answers what the engine says of a page', async () => {
    const input = await loadInput(await putCore('query'));
    expect(input.query?.(MAPPED_PAGE + 0x123n)).toEqual({ attributes: 0 });
    expect(input.query?.(MAPPED_PAGE + 0x1000n)).toBeUndefined();
    expect(input.query?.(0x8000_0000_0000n)).toBeUndefined();
  });

  test('has no answers from the engine if its MAIR is not the one that the engine knows', async () => {
    const answersWith = async (mair: bigint) => {
      const registers = { ...el2Registers(0x20_0000n), mair };
      await put('mair.regs.json', formatRegisters(registers, 'a test'));
      return (
        (await loadInput(await put('mair.core', writeElfCore(image.memory, registers)))).query !== undefined
      );
    };
    expect(await answersWith(0xffbb_4400n)).toBe(true);
    expect(await answersWith(0xff44_0c04_00n)).toBe(false);
  });

  test('with any byte damaged loads, or is refused as a bad input, and nothing else', async () => {
    const path = await putCore('fuzz');
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 0x2ff }), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        await writeFile(path, damaged(CORE, at, flip));
        const error = await loadInput(path).catch((reason: unknown) => reason);
        if (error instanceof Error) expect(error).toBeInstanceOf(InputError);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a layout against a capture', () => {
  test('has the layout and the tables of the capture', async () => {
    const layout = await put('mine.yaml', LAYOUT);
    const tables = await putCore('theirs');
    expect(await loadInput(layout, { tables })).toMatchObject({
      kind: 'layout-against-capture',
      name: layout,
      captureName: tables,
      layout: { regions: [{ name: 'a' }] },
      registers: image.registers,
      upkeep: [],
    });
  });

  test.each([
    'architecture: x64\nregions: [{name: a, base: 4M, size: 4K}]',
    'architecture: x64\npaging: 5-level\nregions: [{name: a, base: 4M, size: 4K}]',
    'architecture: aarch64\nregime: el1\nregions: [{name: a, base: 4M, size: 4K}]',
  ])('leaves the self-map out, as for the tables that are built for it: %j', async (text) => {
    const layout = await put('mine.yaml', text);
    const built = await loadInput(layout);
    const { core: tables } = await writeCapture(join(folder, 'built.core'), built);
    const input = await loadInput(layout, { tables });
    expect(built).toMatchObject({ kind: 'layout', upkeep: [{ name: 'self-map' }] });
    expect(input).toMatchObject({ upkeep: 'upkeep' in built ? built.upkeep : [] });
    expect(input.kind !== 'layout' && input.notes).toEqual([expect.stringContaining('(self-map)')]);
    expect(input.registers).toEqual(built.registers);
  });

  test('is refused with the two in the wrong places', async () => {
    const layout = await put('mine.yaml', LAYOUT);
    const tables = await putCore('theirs');
    await expect(loadInput(tables, { tables })).rejects.toThrow(`${tables}: is a capture; a layout`);
    await expect(loadInput(layout, { tables: layout })).rejects.toThrow(`${layout}: is a layout; a capture`);
  });

  test.each([
    ['architecture: x64\npaging: 5-level\nregions: []', 'declares x64 5-level, but the tables of'],
    ['architecture: aarch64\nregime: el1\nregions: []', 'declares aarch64 el1, but the tables of'],
  ])('is refused in another mode: %j', async (layout, message) => {
    const tables = await putCore('theirs');
    await expect(loadInput(await put('mode.yaml', layout), { tables })).rejects.toThrow(message);
  });
});

function damaged(bytes: Uint8Array, at: number, flip = 0xff): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] as number) ^ flip;
  return copy;
}

test('a registers file is read, not guessed, where it is there', async () => {
  const path = await putCore('both', CORE, { ...x64Registers(0x20_0000n), efer: 0x500n });
  expect((await loadInput(path)).registers).toMatchObject({ efer: 0x500n });
  expect(await readFile(join(folder, 'both.regs.json'), 'utf8')).toContain('"arch": "x64"');
});
