import type { Machine } from '../../harness/machine.ts';
import type { MachineCandidate } from '../../harness/verify-run.ts';
import { Known } from '../../src/outcome-list.ts';

/** What a machine answered to each access, in comparable form, by address and access. */
export type Answers = ReadonlyMap<string, Answer>;

export interface Answer {
  readonly address: bigint;
  readonly known: number;
  readonly fault: number;
  readonly physicalAddress: number;
  readonly memoryType: number;
  /** HPFAR_EL2 of a fault of stage 2. */
  readonly hpfar: bigint | undefined;
}

/** A machine that stays up over many verifications, and remembers what it answered in the last one. */
export class WarmMachine implements MachineCandidate {
  readonly name: string;
  readonly #machine: Machine;
  #answers = new Map<string, Answer>();

  constructor(machine: Machine) {
    this.name = machine.name;
    this.#machine = machine;
  }

  get observes(): number {
    return this.#machine.capabilities.observes;
  }

  get answers(): Answers {
    return this.#answers;
  }

  async provider() {
    const { name, capabilities } = this.#machine;
    return {
      name,
      architecture: capabilities.architecture,
      detect: async () => ({ available: true as const, capabilities }),
      open: async () => this.#opened(),
    };
  }

  /** Ends the machine itself. */
  async close(): Promise<void> {
    await this.#machine.close();
  }

  #opened(): Machine {
    const machine = this.#machine;
    const answers = new Map<string, Answer>();
    this.#answers = answers;
    return {
      name: machine.name,
      capabilities: machine.capabilities,
      load: (image) => machine.load(image),
      async probe(probes) {
        const observations = await machine.probe(probes);
        const { known, fault, physicalAddress, memoryType, hpfar } = observations.outcomes;
        for (let index = 0; index < probes.accesses.length; index++) {
          const address = probes.accesses.address(index);
          const kind = probes.accesses.access(index) + 3 * probes.accesses.privilege(index);
          answers.set(`${address} ${kind}`, {
            address,
            known: known[index] as number,
            fault: fault[index] as number,
            physicalAddress: physicalAddress[index] as number,
            memoryType: memoryType[index] as number,
            hpfar: hpfar?.[index],
          });
        }
        return observations;
      },
      readBack: () => machine.readBack(),
      close: async () => {},
    };
  }
}

/** Device memory, and Normal memory that is non-cacheable throughout: outer shareable, whatever PAR_EL1.SH says. */
const ALWAYS_OUTER: readonly number[] = [0x00, 0x04, 0x08, 0x0c, 0x44];

/** Whether an answer differs from another in what both know. */
export function answersDiffer(left: Answer, right: Answer): boolean {
  const known = left.known & right.known;
  if ((known & Known.Completion) === 0) return false;
  if (left.fault === 0 && right.fault === 0) {
    const [type, otherType] = [left.memoryType & 0xff, right.memoryType & 0xff];
    return (
      ((known & Known.PhysicalAddress) !== 0 && left.physicalAddress !== right.physicalAddress) ||
      ((known & Known.MemoryType) !== 0 && type !== otherType) ||
      ((known & Known.Shareability) !== 0 &&
        left.memoryType !== right.memoryType &&
        !ALWAYS_OUTER.includes(type))
    );
  }
  return left.fault !== right.fault || left.hpfar !== right.hpfar;
}
