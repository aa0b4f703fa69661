import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadInput } from '../../harness/inputs/load-input.ts';
import type { GuestImage, Machine } from '../../harness/machine.ts';
import { unicornX64 } from '../../harness/machines/unicorn/unicorn-x64.ts';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import { OutcomeList } from '../../src/outcome-list.ts';
import { createWalker } from '../../src/walker.ts';
import { expectOutcomes, type Row } from '../machines/expectations.ts';
import { ALL, Code, faults, lands } from '../machines/x64-rows.ts';
import { runCommand } from '../support/run-command.ts';
import {
  CODE,
  CODE_FRAME,
  DATA,
  DATA_FRAME,
  ENTRIES,
  LEVEL_4_TABLE,
  RESTRICTED,
  RESTRICTED_FRAME,
  TABLES,
  textbookImage,
  UNMAPPED,
  WALKED,
} from './textbook-tables.ts';

const CAPTURE = fileURLToPath(new URL('../../examples/textbook-x64.core.gz', import.meta.url));
const A = 1n << 5n;
const D = 1n << 6n;

/** Each example: what becomes of accesses, by the book. */
const EXAMPLES: Readonly<Record<string, readonly Row[]>> = {
  '0x803FE7F5CE leads to 0xc5ce': ALL.map((kind) => lands(kind, WALKED, 0xc5cen)),
  'its neighbours are not mapped': [
    ...ALL.map((kind) => faults(kind, WALKED + 0x1000n, 0)),
    ...ALL.map((kind) => faults(kind, WALKED - 0x1000n, 0)),
  ],
  'an instruction at 0xdeadbeaf faults with CR2 = 0xdeadbeaf, and so do a read and a write': ALL.map((kind) =>
    faults(kind, UNMAPPED, 0),
  ),
  'a code page mapped read-only reads and executes, but faults on a write': [
    lands('rs', CODE, CODE_FRAME + 0x1b2n),
    lands('xs', CODE, CODE_FRAME + 0x1b2n),
    faults('ws', CODE, Code.P),
    lands('ws', DATA, DATA_FRAME),
  ],
  'the kernel is out of a user’s reach': [faults('ru', CODE, Code.P), faults('xu', CODE, Code.P)],
  'a restriction at level 3 wins over the leaf': [
    lands('rs', RESTRICTED, RESTRICTED_FRAME),
    lands('xs', RESTRICTED, RESTRICTED_FRAME),
    faults('ws', RESTRICTED, Code.P),
    faults('ru', RESTRICTED, Code.P),
    faults('wu', RESTRICTED, Code.P),
    faults('xu', RESTRICTED, Code.P),
  ],
  '0xffff_ffff_ffff_f000 reads the level 4 table itself': [
    lands('rs', LEVEL_4_TABLE, TABLES.PML4),
    faults('ru', LEVEL_4_TABLE, Code.P),
  ],
};

describe('the examples of the introductions to paging, by the walker', () => {
  const { memory, registers } = textbookImage();
  const walker = createWalker(memory, registers);

  test.each(Object.entries(EXAMPLES))('%s', (_, rows) => {
    const accesses = new AccessList(rows.length);
    for (const [index, { address, access, privilege }] of rows.entries()) {
      accesses.set(index, Number(address & 0xffff_ffffn), Number(address >> 32n), access, privilege);
    }
    const outcomes = new OutcomeList(rows.length);
    walker.predict(accesses, outcomes);
    for (const [index, { expected }] of rows.entries()) {
      const physical = outcomes.physicalAddress[index] as number;
      const said =
        outcomes.fault[index] === 0
          ? { physical: BigInt(physical) }
          : { fault: outcomes.fault[index], faultAddress: outcomes.faultAddress[index] };
      expect(said).toEqual(expected);
    }
  });

  test('the level indices of 0x803FE7F5CE are 1, 0, 511, 127, and its tables are at 16, 24, 32 and 40 KiB', () => {
    const steps = walker.explain(WALKED);
    expect(steps.map(({ index }) => index)).toEqual([1, 0, 511, 127]);
    expect(steps.map(({ tableAddress }) => Number(tableAddress) / 1024)).toEqual([16, 24, 32, 40]);
    expect(steps.at(-1)?.next).toBe(0xc000n);
  });

  test('the error code of the write to the code page is decoded', () => {
    const translation = walker.translate({
      address: CODE,
      access: Access.Write,
      privilege: Privilege.Supervisor,
    });
    expect(translation).toMatchObject({
      kind: 'faults',
      faultAddress: CODE,
      description: '#PF error code 0x3 (P, W)',
    });
  });

  test('it is level 3 that restricts', () => {
    const forbidding = walker.explain(RESTRICTED).filter(({ forbids }) => forbids.length > 0);
    expect(forbidding.map(({ levelName, forbids }) => [levelName, forbids])).toEqual([
      ['PDPT', ['write', 'user access']],
    ]);
  });
});

describe.each([qemuX64, unicornX64])('the examples of the introductions to paging, on $name', (provider) => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await provider.open();
  });
  afterAll(() => machine.close());
  const loaded = async (image: GuestImage) => {
    await machine.load(image);
    return machine;
  };

  test.each(Object.entries(EXAMPLES))('%s', async (_, rows) => {
    const image = textbookImage();
    await expectOutcomes(await loaded(image), image, rows);
  });

  test('the processor sets accessed and dirty flags where it went, and changes nothing else', async () => {
    const image = textbookImage();
    await expectOutcomes(await loaded(image), image, [
      lands('ru', WALKED, 0xc5cen),
      lands('ws', DATA, DATA_FRAME),
    ]);
    const used = [
      ...[TABLES.PML4 + 8n, TABLES.PDPT, TABLES.PD + 8n * 511n, TABLES.PT + 8n * 127n],
      ...[TABLES.PML4, TABLES.KernelPDPT, TABLES.KernelPD + 8n, TABLES.KernelPT + 8n * 4n],
    ];
    const written = TABLES.KernelPT + 8n * 4n;
    const after = await machine.readBack();
    for (const { firstFrame, words } of image.memory.ranges) {
      const start = BigInt(firstFrame) * 0x1000n;
      for (let place = start; place < start + BigInt(words.byteLength); place += 8n) {
        const set = (used.includes(place) ? A : 0n) | (place === written ? D : 0n);
        const was = image.memory.readEntry(place) ?? 0n;
        expect(after.readEntry(place), `entry at 0x${place.toString(16)}`).toBe(was | set);
      }
    }
  });

  test('what is read at 0xffff_ffff_ffff_f000 are the entries of the level 4 table', async () => {
    if (machine.loadLive === undefined) throw new Error(`${machine.name} has no live tables`);
    const guest = await machine.loadLive(textbookImage());
    const entries = new Map(ENTRIES);
    const slots = [0n, 1n, 2n, 511n];
    const read = await guest.peek(slots.map((slot) => LEVEL_4_TABLE + 8n * slot));
    const withoutAccessed = read.map((entry) => (entry ?? 0n) & ~(A | D));
    expect(withoutAccessed).toEqual(slots.map((slot) => entries.get(TABLES.PML4 + 8n * slot) ?? 0n));
  });
});

describe('the same tables as an example of mmucheck explain', () => {
  const explain = (address: string) => runCommand('explain', CAPTURE, address, '--machine', 'unicorn');

  test('the capture holds these tables and registers', async () => {
    const { memory, registers } = await loadInput(CAPTURE);
    const image = textbookImage();
    expect(registers).toMatchObject(image.registers);
    expect(memory.ranges).toEqual(image.memory.ranges);
  });

  test.each([
    ['0x803FE7F5CE', /PML4: table 0x4000, index 1,/, /supervisor read .*completes at 0xc5c0/],
    [
      '0xdeadbeaf',
      /ends here: not present/,
      /supervisor execute .*#PF error code 0x10 \(I\), CR2 0xdeadbea0/,
    ],
    ['0x2031b2', /forbids: write, user access/, /supervisor write .*#PF error code 0x3 \(P, W\)/],
    ['0x40000000', /PDPT: .*index 1,/, /supervisor write .*#PF error code 0x3 \(P, W\)/],
    ['0xfffffffffffff000', /maps the page at 0x4000/, /supervisor read .*0x4000/],
  ])('%s', async (address, walk, answer) => {
    const { status, out } = await explain(address);
    expect(status).toBe(0);
    expect(out).toMatch(walk);
    expect(out).toMatch(answer);
  });
});
