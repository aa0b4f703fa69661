import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LiveGuest } from '../../harness/live-guest.ts';
import type { Machine } from '../../harness/machine.ts';
import { Access, AccessList, Privilege } from '../../src/access-list.ts';
import type { MachineUnderTest } from './contract.ts';
import { expectOutcomes, type Row } from './expectations.ts';
import { ALL, Code, FAR, faults, lands } from './x64-rows.ts';
import { Bit, Control, HandmadeTables } from './x64-tables.ts';

const { P, W, U, A, D, NX } = Bit;
const OTHER = FAR + 0x10_0000n;
/** Far from the stub's own pages in a TLB that is indexed by the low bits of the page number: they would evict it. */
const PAGE = 0x8_5000n;
const PGE = 1n << 7n;
const GLOBAL = 1n << 8n;

/** What x64 machines promise of tables that change while the guest runs. */
export function describeX64LiveContract(subject: MachineUnderTest): void {
  describe('x64: tables that change while the guest runs', () => {
    let machine: Machine;
    beforeAll(async () => {
      machine = await subject.open();
    });
    afterAll(() => machine.close());
    const load = async (image: HandmadeTables): Promise<LiveGuest> => {
      if (machine.loadLive === undefined) throw new Error(`${machine.name} has no live tables`);
      return machine.loadLive(image);
    };
    const check = (image: HandmadeTables, rows: readonly Row[]) => expectOutcomes(machine, image, rows);
    const landsAt = (physical: bigint) => ALL.map((kind) => lands(kind, PAGE, physical));

    test('a change without an invalidation leaves the old translation in force, INVLPG ends it', async () => {
      const image = new HandmadeTables().map(PAGE, FAR, P | W | U);
      const guest = await load(image);
      await check(image, landsAt(FAR));
      image.map(PAGE, OTHER, P | W | U);
      await guest.update();
      await check(image, landsAt(FAR));
      await guest.invalidate([{ kind: 'invlpg', address: PAGE }]);
      await check(image, landsAt(OTHER));
    });

    test('INVLPG of another page does not', async () => {
      const image = new HandmadeTables().map(PAGE, FAR, P | W | U).map(0x8_6000n, FAR, P | W | U);
      const guest = await load(image);
      await check(image, landsAt(FAR));
      image.map(PAGE, OTHER, P | W | U);
      await guest.update();
      await guest.invalidate([{ kind: 'invlpg', address: 0x8_6000n }]);
      await check(image, landsAt(FAR));
    });

    test.each(['reload-cr3', 'toggle-pge'] as const)('%s ends every old translation', async (kind) => {
      const image = new HandmadeTables().map(PAGE, FAR, P | W | U).map(0x80_0000_0000n, FAR, P | W | U);
      const guest = await load(image);
      await check(image, [...landsAt(FAR), lands('ws', 0x80_0000_0000n, FAR)]);
      image.map(PAGE, OTHER, P | W | U).map(0x80_0000_0000n, FAR, P | U | NX);
      await guest.update();
      await guest.invalidate([{ kind }]);
      await check(image, [
        ...landsAt(OTHER),
        faults('ws', 0x80_0000_0000n, Code.P),
        faults('xu', 0x80_0000_0000n, Code.P),
      ]);
    });

    test('a global page ends by INVLPG and by a change of CR4.PGE', async () => {
      const image = new HandmadeTables({ cr4: PGE }).map(PAGE, FAR, P | W | U | GLOBAL);
      const guest = await load(image);
      for (const [operation, physical] of [
        [{ kind: 'invlpg', address: PAGE }, OTHER],
        [{ kind: 'toggle-pge' }, FAR],
      ] as const) {
        await machine.probe({ accesses: reads(PAGE), expectedFrames: new Float64Array(1) });
        image.map(PAGE, physical, P | W | U | GLOBAL);
        await guest.update();
        await guest.invalidate([operation]);
        await check(image, landsAt(physical));
      }
    });

    test('new tables and top-level entries reach the guest', async () => {
      const image = new HandmadeTables();
      const guest = await load(image);
      const high = 0xffff_8000_1234_5000n;
      const higher = 0xffff_a000_1234_5000n;
      image.map(higher, OTHER, P | W | U);
      await guest.update();
      await check(image, [faults('rs', high, 0), ...ALL.map((kind) => lands(kind, higher, OTHER))]);
      image.map(high, FAR, P | W | U);
      await guest.update();
      await check(
        image,
        ALL.map((kind) => lands(kind, high, FAR)),
      );
    });

    test('an update leaves what the host has not changed as the processor left it', async () => {
      const image = new HandmadeTables().map(PAGE, FAR, P | W | U).map(0x8_6000n, FAR, P | W | U);
      const guest = await load(image);
      await check(image, [lands('ws', PAGE, FAR), lands('ws', 0x8_6000n, FAR)]);
      image.map(0x8_6000n, OTHER, P | W | U);
      await guest.update();
      const after = await machine.readBack();
      expect(after.readEntry(image.entryAddress(PAGE, 1))).toBe(FAR | P | W | U | A | D);
      expect(after.readEntry(image.entryAddress(0x8_6000n, 1))).toBe(OTHER | P | W | U);
      expect(image.get(image.entryAddress(PAGE, 1))).toBe(FAR | P | W | U);
    });

    test('the guest reads its own tables, an address that faults reads nothing', async () => {
      const image = new HandmadeTables().map(0x10_0000n, 0x10_0000n, P | W).map(PAGE, FAR, P | W | U);
      const guest = await load(image);
      const [first, absent, second] = await guest.peek([0x10_0000n, 0x8_7000n, 0x10_0ff8n]);
      expect((first ?? 0n) & ~(A | D)).toBe(image.get(0x10_0000n));
      expect([absent, second]).toEqual([undefined, image.get(0x10_0ff8n)]);
      image.set(0x10_0ff8n, 0x1234_5678_9abc_def0n);
      await guest.update();
      expect(await guest.peek([0x10_0ff8n])).toEqual([0x1234_5678_9abc_def0n]);
      await check(image, landsAt(FAR));
    });

    test('memory that was not there when the image was loaded cannot be added', async () => {
      const image = new HandmadeTables();
      const guest = await load(image);
      image.memory.addRange(0x4000_0000n, new ArrayBuffer(4096));
      await expect(guest.update()).rejects.toMatchObject({ name: 'MachineError', code: 'failed' });
    });

    test('an access that would meet the stub is not made, and says so', async () => {
      const image = new HandmadeTables({ tableLimit: 520 });
      for (let slot = 0n; slot < 512n; slot++)
        image.map(slotAddress(slot), FAR & -0x4000_0000n, P | W | U, 3);
      await load(image);
      const { outcomes, remarks } = await machine.probe({
        accesses: reads(...Array.from({ length: 512 }, (_, slot) => slotAddress(BigInt(slot)))),
        expectedFrames: new Float64Array(512).fill(Number(FAR >> 12n)),
      });
      const unknown = [...outcomes.known].flatMap((known, index) => (known === 0 ? [index] : []));
      expect(unknown).toHaveLength(1);
      expect(remarks.get(unknown[0] ?? -1)).toMatch(/not made/);
    });

    test('operations of another architecture are refused', async () => {
      const guest = await load(new HandmadeTables());
      await expect(guest.invalidate([{ kind: 'isb' }])).rejects.toMatchObject({ code: 'unfit' });
    });

    test('PCIDs are refused, because the processor has none', async () => {
      const image = new HandmadeTables({ cr4: Control.PCIDE });
      await expect(load(image)).rejects.toMatchObject({
        code: 'unfit',
        message: expect.stringMatching(/PCID/),
      });
    });

    test('load ends it: every list of probes begins without old translations again', async () => {
      const image = new HandmadeTables().map(PAGE, FAR, P | W | U);
      await load(image);
      await check(image, landsAt(FAR));
      const other = new HandmadeTables().map(PAGE, OTHER, P | W | U);
      await machine.load(other);
      await check(other, landsAt(OTHER));
    });
  });
}

function reads(...addresses: readonly bigint[]): AccessList {
  const list = new AccessList(addresses.length);
  for (const [index, address] of addresses.entries()) {
    const [low, high] = [Number(address & 0xffff_ffffn), Number(address >> 32n)];
    list.set(index, low, high, Access.Read, Privilege.Supervisor);
  }
  return list;
}

function slotAddress(slot: bigint): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(48, slot << 39n));
}
