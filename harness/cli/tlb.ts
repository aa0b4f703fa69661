import { type Machine, machineErrorOf } from '../machine.ts';
import { selectMachines } from '../machines/registry.ts';
import { runTlbSuite } from '../tlb-suite/tlb-suite.ts';
import type { MachineCandidate } from '../verify-run.ts';
import { type CliIo, ExitStatus } from './io.ts';

/**
 * `mmucheck tlb`: which TLB flushes machines need, and whether those that the mappers of x64 promise and the mappings of
 * AArch64 return are enough.
 */
export async function runTlb(
  { machine: names }: { readonly machine: readonly string[] },
  io: CliIo,
): Promise<number> {
  let status: number = ExitStatus.Agree;
  let ran = 0;
  for (const candidate of selectMachines(names)) {
    const outcome = await runOn(candidate, names.length > 0, io);
    if (outcome === undefined) continue;
    ran++;
    if (!outcome) status = ExitStatus.Mismatch;
  }
  if (ran > 0) io.out(LEGEND);
  return ran === 0 ? ExitStatus.MachineUnavailable : status;
}

/** @returns whether the machine did nothing that the architecture excludes; undefined if it is not there */
async function runOn(
  candidate: MachineCandidate,
  required: boolean,
  io: CliIo,
): Promise<boolean | undefined> {
  let machine: Machine | undefined;
  let isRight = true;
  try {
    machine = await (await candidate.provider()).open();
    io.out(`${machine.name} ${machine.capabilities.version}\n`);
    for await (const { name, verdict, detail } of runTlbSuite(machine)) {
      io.interrupted.throwIfAborted();
      io.out(`  ${name.padEnd(NAME_WIDTH)}  ${verdict.padEnd(VERDICT_WIDTH)}  ${detail}\n`);
      if (verdict === 'wrong') isRight = false;
    }
    return isRight;
  } catch (error) {
    if (io.interrupted.aborted) throw error;
    const { code, message } = machineErrorOf(candidate.name, error);
    if (required || code !== 'absent') throw error;
    io.out(`${message}\n`);
    return undefined;
  } finally {
    await machine?.close();
  }
}

const LEGEND = `
flush       what a mapper of x64 promises, or the TLB maintenance that a mapping of AArch64 returns
proven      without the flush the old translation stayed in force (stale); with it it did not
enough      with the flush the tables as they are are in force; this machine kept nothing old without it either
not needed  the architecture asks for no flush, and without it nothing old was kept
stale       the old translation outlived the promised flush, which the architecture allows
not kept    the architecture allows that, but this machine does not do it
erratum     wrong, and known of this machine in this version
wrong       the architecture excludes what the machine did
not observable, not run: the machine cannot tell of some access, or cannot do it
`;

const NAME_WIDTH = 75;
const VERDICT_WIDTH = 14;
