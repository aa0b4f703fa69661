import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { qemuX64 } from '../../qemu/qemu-x64.ts';
import { Known } from '../../src/outcome-list.ts';
import { expectOutcomes, probe, type Row } from './expectations.ts';
import { childProcesses } from './life-contract.ts';
import { ALL, Code, FAR, faults, lands } from './x64-rows.ts';
import { Bit, Control, HandmadeTables, type TableOptions } from './x64-tables.ts';

const { P, W, U, NX } = Bit;
const PAGE = 0x5000n;
/** In the range of every image, behind its tables. */
const OWN_FRAME = 0x13_f000n;

const machine = await qemuX64.open();
afterAll(() => machine.close());

/** Loads an image and makes the accesses. @returns the processes afterwards */
async function check(image: HandmadeTables, rows: readonly Row[] = []): Promise<string[] | undefined> {
  await machine.load(image);
  await expectOutcomes(machine, image, rows);
  return childProcesses();
}

const toFar = (options?: TableOptions) => new HandmadeTables(options).map(PAGE, FAR, P | W | U);
const landsFar = ALL.map((kind) => lands(kind, PAGE, FAR));

describe('the next image', () => {
  let first: string[] | undefined;
  beforeEach(async () => {
    first = await check(toFar(), landsFar);
  });

  test('goes into the same QEMU, again and again', async () => {
    for (const physical of [FAR + 0x1000n, OWN_FRAME, FAR]) {
      const image = new HandmadeTables().map(PAGE, physical, P | W | U);
      const rows = ALL.map((kind) => lands(kind, PAGE, physical));
      expect(await check(image, rows)).toEqual(first);
    }
  });

  test.each<[string, TableOptions]>([
    ['another physical address width', { physicalAddressBits: 41 }],
    ['another size of memory', { base: 0x400_0000n }],
    ['another number of levels', { cr4: Control.LA57 }],
  ])('with %s goes into another one', async (_, options) => {
    expect(await check(toFar(options), landsFar)).not.toEqual(first);
  });

  test('has its own control registers, and the one after it has not kept them', async () => {
    const map = (options?: TableOptions) => new HandmadeTables(options).map(PAGE, FAR, P | U);
    const protects = [faults('xs', PAGE, Code.P), faults('rs', PAGE, Code.P), lands('ru', PAGE, FAR)];
    expect(await check(map({ cr4: Control.SMEP | Control.SMAP }), protects)).toEqual(first);
    const writes = [lands('xs', PAGE, FAR), lands('rs', PAGE, FAR), lands('ws', PAGE, FAR)];
    expect(await check(map({ writeProtect: false }), writes)).toEqual(first);
    expect(await check(map(), [...writes.slice(0, 2), faults('ws', PAGE, Code.P)])).toEqual(first);
    const forbids = new HandmadeTables().map(PAGE, FAR, P | NX);
    expect(await check(forbids, [faults('xs', PAGE, Code.P), lands('rs', PAGE, FAR)])).toEqual(first);
    const reserved = new HandmadeTables({ nxe: false }).map(PAGE, FAR, P | NX);
    expect(await check(reserved, [faults('rs', PAGE, Code.P | Code.RSVD)])).toEqual(first);
  });

  test('finds nothing of the last one in memory', async () => {
    const written = toFar().set(OWN_FRAME + 8n, 0x1234_5678n);
    await check(written);
    expect((await machine.readBack()).readEntry(OWN_FRAME + 8n)).toBe(0x1234_5678n);
    expect(await check(toFar(), landsFar)).toEqual(first);
    expect((await machine.readBack()).readEntry(OWN_FRAME + 8n)).toBe(0n);
  });

  test('is not executed as what the last one had in the same page', async () => {
    const map = () => new HandmadeTables().map(PAGE, OWN_FRAME, P | W | U);
    await check(map().set(OWN_FRAME + 0x800n, 0x1234n), [lands('xs', PAGE, OWN_FRAME)]);
    const image = map();
    expect(await check(image)).toEqual(first);
    const { outcomes } = await probe(machine, [lands('xs', PAGE, OWN_FRAME)]);
    expect((outcomes.known[0] as number) & Known.PhysicalAddress).not.toBe(0);
    expect(outcomes.physicalAddress[0]).toBe(Number(OWN_FRAME));
  });

  test('goes into another QEMU after an access that landed nowhere that has a name', async () => {
    const fresh = 0x6000n;
    await check(new HandmadeTables().map(fresh, OWN_FRAME, P | W | U));
    await probe(machine, [lands('xs', fresh, OWN_FRAME)], false);
    expect(await check(toFar(), landsFar)).not.toEqual(first);
  });

  test('goes into another QEMU if the first has ended meanwhile', async () => {
    for (const processId of first ?? []) process.kill(Number(processId), 'SIGKILL');
    await expect.poll(childProcesses, { interval: 10 }).toEqual([]);
    expect(await check(toFar(), landsFar)).toHaveLength(1);
  });

  test('may be one after an image that is unfit, which leaves nothing to probe', async () => {
    const unfit = new HandmadeTables({ base: 1n << 37n, physicalAddressBits: 36 });
    await expect(machine.load(unfit)).rejects.toMatchObject({ code: 'unfit' });
    await expect(probe(machine, landsFar)).rejects.toThrow('no image is loaded');
    expect(await check(toFar(), landsFar)).toEqual(first);
  });
});
