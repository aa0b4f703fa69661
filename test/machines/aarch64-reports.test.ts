import { beforeAll, describe, expect, test } from 'vitest';
import type { CaptureInput } from '../../harness/inputs/types.ts';
import type { Report } from '../../harness/report.ts';
import { reportJson } from '../../harness/reporters/json.ts';
import { reportJUnit } from '../../harness/reporters/junit.ts';
import { reportText } from '../../harness/reporters/text.ts';
import { verify } from '../../harness/verify.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { NORMAL } from './aarch64-rows.ts';
import { ALL_OF_TWO, StageTwoTables, Two } from './aarch64-stage-two-tables.ts';
import { Bit, HandmadeTables } from './aarch64-tables.ts';

const MACHINES = [{ name: 'qemu-aarch64', provider: async () => qemuAArch64 }];

function captureOf({ memory, registers }: Pick<StageTwoTables, 'memory' | 'registers'>): CaptureInput {
  return { kind: 'capture', name: 'stage 2', architecture: 'aarch64', registers, memory, notes: [] };
}

describe('a mismatch at stage 2, in every report', () => {
  let report: Report;
  beforeAll(async () => {
    // A table of stage 1 that stage 2 does not map; what QEMU says of the level is an erratum, here unknown.
    const one = new HandmadeTables();
    one.set(one.entryAddress(0x5000n, 1), 0x1_0000_0000n | Bit.Valid | Bit.TableOrPage);
    const image = new StageTwoTables(one).map(0x4000_0000n, 0x4000_0000n, ALL_OF_TWO, 2);
    report = await verify(captureOf(image), { machines: MACHINES, errata: [] });
  });

  test('names the stage, the level, S1PTW, and HPFAR_EL2 with the intermediate page', () => {
    const told =
      /stage 2 data abort, lower EL, translation fault level 1, read, on a stage 1 walk, FAR 0x\w+, IPA page 0x100000000 \(HPFAR_EL2 0x1000000\)/;
    const seen = /stage 2 data abort, lower EL, translation fault level 2, .* \(HPFAR_EL2 0x1000000\)/;
    for (const text of [reportText(report, { colours: false }), reportJUnit(report)]) {
      expect(text).toMatch(told);
      expect(text).toMatch(seen);
    }
    expect(JSON.parse(reportJson(report))).toMatchObject({
      mismatches: expect.arrayContaining([
        expect.objectContaining({
          observed: expect.objectContaining({
            stage: 2,
            hpfar: '0x1000000',
            intermediatePage: '0x100000000',
          }),
        }),
      ]),
    });
  });
});

describe('what AT alone can answer', () => {
  test('is counted apart, and never as an access that agreed', async () => {
    const image = new StageTwoTables(new HandmadeTables(), { alone: true }).map(
      0x5000n,
      0x5000n,
      ALL_OF_TWO & ~Two.Read,
    );
    const [machine] = (await verify(captureOf(image), { machines: MACHINES })).machines;
    const { probes, agreed, translatedOnly, mismatched, notObservable, errata } = machine ?? {};
    expect(mismatched).toBe(0);
    expect(translatedOnly).toBeGreaterThan(0);
    expect(Number(agreed) + Number(translatedOnly) + Number(notObservable) + Number(errata)).toBe(probes);
    expect(machine?.columns.completed).toBe(0);
  });

  test('is said of the place too, where no data tag can confirm it', async () => {
    const beyondRam = 0x12_3456_7000n;
    const one = new HandmadeTables().map(0x5000n, 0x5000n, NORMAL).map(0x6000n, beyondRam, NORMAL);
    const report = await verify(captureOf(one), { machines: MACHINES });
    const columns = report.machines[0]?.columns;
    expect(columns?.byTranslation.memoryType).toBe(columns?.completed);
    expect(columns?.byTranslation.physicalAddress).toBeGreaterThan(0);
    expect(columns?.byTranslation.physicalAddress).toBeLessThan(columns?.completed ?? 0);
    expect(reportText(report, { colours: false })).toMatch(
      /AT alone said the physical address of \d+ of \d+ completed accesses/,
    );
  });
});
