import type { OutcomeList } from '../../src/outcome-list.ts';
import { type GuestImage, type Machine, machineErrorOf, type ProbeList } from '../machine.ts';
import type { MachineCandidate } from '../verify-run.ts';

/** What one machine says, or why it says nothing. */
export interface MachineAnswer {
  /** Its name, with its version if it is there. */
  readonly title: string;
  readonly outcomes?: OutcomeList;
  readonly reason?: string;
}

/**
 * Puts probes to machines, side by side.
 * @param required whether a machine that is absent or unfit is an error
 * @throws MachineError for a required machine
 */
export async function askMachines(
  candidates: readonly MachineCandidate[],
  required: boolean,
  image: GuestImage,
  probes: ProbeList,
  signal: AbortSignal,
): Promise<readonly MachineAnswer[]> {
  const answers = await Promise.allSettled(candidates.map((candidate) => ask(candidate, image, probes)));
  signal.throwIfAborted();
  return answers.map((answer, index) => {
    if (answer.status === 'fulfilled') return answer.value;
    const name = candidates[index]?.name ?? '';
    const error = machineErrorOf(name, answer.reason);
    if (required) throw error;
    return { title: name, reason: `${error.code}: ${error.message.replace(`${name}: `, '')}` };
  });
}

async function ask(
  { provider }: MachineCandidate,
  image: GuestImage,
  probes: ProbeList,
): Promise<MachineAnswer> {
  let machine: Machine | undefined;
  try {
    machine = await (await provider()).open();
    await machine.load(image);
    const { outcomes } = await machine.probe(probes);
    return { title: `${machine.name} ${machine.capabilities.version}`, outcomes };
  } finally {
    await machine?.close();
  }
}
