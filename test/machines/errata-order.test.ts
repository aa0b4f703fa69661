import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errataOf } from '../../harness/errata.ts';
import type { Machine } from '../../harness/machine.ts';
import { outcomeAt } from '../../harness/outcome.ts';
import { qemuAArch64 } from '../../qemu/qemu-aarch64.ts';
import { Access, Privilege } from '../../src/access-list.ts';
import { deviatingProbe } from '../support/deviating-probe.ts';
import { faults, type Kind, lands, Status } from './aarch64-rows.ts';
import { Bit, HandmadeTables, Index, SCTLR_WXN, type TableOptions, Tcr, TcrEl2 } from './aarch64-tables.ts';
import { expectOutcomes, probe } from './expectations.ts';

/**
 * Deviations that depend on what was accessed before. `verify` reads and writes each place before it executes it, and
 * so never meets them.
 */
describe('qemu-aarch64: clean-writable-page-is-read-only-to-fetches', () => {
  const ADDRESS = 0x5000n;
  const PLACE = 0x9000n;
  const CLEAN = Index.WriteBack | Bit.InnerShareable | Bit.AF | Bit.ReadOnly | Bit.DBM;
  let machine: Machine;
  beforeAll(async () => {
    machine = await qemuAArch64.open();
  });
  afterAll(() => machine.close());

  const tables = (options: TableOptions, attributes: bigint) =>
    new HandmadeTables(options).map(ADDRESS, PLACE, attributes);
  const cases: readonly (readonly [string, Kind, HandmadeTables])[] = [
    ['EL1, WXN', 'xs', tables({ tcr: Tcr.HA | Tcr.HD, sctlr: SCTLR_WXN }, CLEAN)],
    ['EL1, what EL0 may write', 'xs', tables({ tcr: Tcr.HA | Tcr.HD }, CLEAN | Bit.User)],
    ['EL0, WXN', 'xu', tables({ tcr: Tcr.HA | Tcr.HD, sctlr: SCTLR_WXN }, CLEAN | Bit.User)],
    [
      'EL2, WXN',
      'xs',
      tables({ exceptionLevel: 2, tcr: TcrEl2.HA | TcrEl2.HD, sctlr: SCTLR_WXN }, CLEAN | Bit.User),
    ],
  ];

  test.each(cases)('%s: a fetch completes that must fault', async (_, kind, image) => {
    await machine.load(image);
    const { outcomes } = await probe(machine, [lands(kind, ADDRESS, PLACE)]);
    const observed = outcomeAt(outcomes, 0);
    expect(observed).toMatchObject({ fault: 0, physicalAddress: Number(PLACE) });
    const privilege = kind === 'xu' ? Privilege.User : Privilege.Supervisor;
    const deviation = { address: ADDRESS, access: Access.Execute, privilege, observed };
    const errata = errataOf(machine.name, machine.capabilities.version);
    expect(errata.filter((erratum) => erratum.explains(deviatingProbe(image, deviation)))).toMatchObject([
      { rule: 'clean-writable-page-is-read-only-to-fetches' },
    ]);
  });

  test.each(cases)('%s: once a write has made the page dirty, it faults', async (_, kind, image) => {
    await machine.load(image);
    await expectOutcomes(machine, image, [
      lands('ws', ADDRESS, PLACE),
      faults(kind, ADDRESS, Status.Permission, 3),
    ]);
  });
});
