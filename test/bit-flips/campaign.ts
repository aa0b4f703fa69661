import type { BuiltLayout } from '../../harness/inputs/layout/build-layout.ts';
import type { Layout, LayoutRegion } from '../../harness/inputs/layout/layout.ts';
import type { LayoutAgainstCaptureInput } from '../../harness/inputs/types.ts';
import type { Mismatch, Report } from '../../harness/report.ts';
import { verify } from '../../harness/verify.ts';
import { hex } from '../../src/addresses.ts';
import { Known } from '../../src/outcome-list.ts';
import type { Descriptor } from './descriptors.ts';
import { affectedRegions, type Meaning, type MeaningOfBit } from './meaning.ts';
import { type Answers, answersDiffer, type WarmMachine } from './warm-machine.ts';

/** Tables to spoil, and the layout that they should implement. */
export interface Subject {
  readonly layout: Layout;
  readonly built: BuiltLayout;
  readonly descriptors: readonly Descriptor[];
  readonly meaningOf: MeaningOfBit;
}

/** What became of all flips. */
export interface CampaignResult {
  /** Flips by meaning. */
  readonly flips: ReadonlyMap<Meaning, number>;
  /** Flips that change something, and how many of them the verdict reported. */
  readonly changing: number;
  readonly reported: number;
  /** … and, by machine, how many of them its own answers showed. */
  readonly observed: ReadonlyMap<string, number>;
  /** Changing flips that nobody reported, or that a machine's answers did not show, with their number by meaning. */
  readonly survivors: ReadonlyMap<string, number>;
  /** Every contradiction to the statement of meaning, each a sentence. */
  readonly contradictions: readonly string[];
}

/** Meanings that no verdict can be expected to report, and why. */
export const NOT_DECLARED: ReadonlyMap<Meaning, string> = new Map([
  ['shareability', 'a layout does not declare who has to see a write'],
]);

/** Flips every bit of every descriptor, one at a time, and holds verdict and machines against the meaning. */
export async function flipEveryBit(
  subject: Subject,
  machines: readonly WarmMachine[],
): Promise<CampaignResult> {
  const campaign = new Campaign(subject, machines);
  await campaign.run();
  return campaign;
}

class Campaign implements CampaignResult {
  readonly flips = new Map<Meaning, number>();
  readonly observed = new Map<string, number>();
  readonly survivors = new Map<string, number>();
  readonly contradictions: string[] = [];
  changing = 0;
  reported = 0;
  /** Deviations that the unspoilt tables show already, by machine and rule. */
  readonly #usualErrata = new Set<string>();
  readonly #subject: Subject;
  readonly #machines: readonly WarmMachine[];

  constructor(subject: Subject, machines: readonly WarmMachine[]) {
    this.#subject = subject;
    this.#machines = machines;
  }

  async run(): Promise<void> {
    const sound = await this.#verify();
    if (sound.verdict !== 'agree') this.contradictions.push(`the unspoilt tables: ${sound.verdict}`);
    for (const { name, errataApplied } of sound.machines) {
      for (const { rule } of errataApplied) this.#usualErrata.add(`${name} ${rule}`);
    }
    const before = new Map(this.#machines.map((machine) => [machine, machine.answers]));
    for (const descriptor of this.#subject.descriptors) {
      for (let bit = 0; bit < 64; bit++) {
        const { memory } = this.#subject.built;
        memory.writeEntry(descriptor.entryAddress, descriptor.value ^ (1n << BigInt(bit)));
        const report = await this.#verify();
        memory.writeEntry(descriptor.entryAddress, descriptor.value);
        this.#judge(descriptor, bit, report, before);
      }
    }
  }

  async #verify(): Promise<Report> {
    const { built, layout } = this.#subject;
    const { registers, memory, upkeep } = built;
    const input: LayoutAgainstCaptureInput = {
      kind: 'layout-against-capture',
      name: 'layout',
      captureName: 'spoilt tables',
      architecture: registers.architecture,
      registers,
      memory,
      layout,
      upkeep,
      notes: [],
    };
    return await verify(input, {
      machines: this.#machines,
      required: true,
      maxMismatches: 100_000,
      coverage: 'edges',
    });
  }

  #judge(
    descriptor: Descriptor,
    bit: number,
    report: Report,
    before: ReadonlyMap<WarmMachine, Answers>,
  ): void {
    const meaning = this.#subject.meaningOf(bit, descriptor);
    this.flips.set(meaning, (this.flips.get(meaning) ?? 0) + 1);
    const affected = affectedRegions(meaning, descriptor);
    const what = `bit ${bit} (${meaning}) of the ${descriptor.isLeaf ? 'leaf' : 'table'} descriptor ${hex(descriptor.value)} at ${hex(descriptor.entryAddress)}`;
    if (affected.length > 0) this.changing++;
    this.#judgeReport(what, meaning, descriptor, affected, report);
    for (const { status, reason } of report.machines) {
      if (status !== 'ran') this.contradictions.push(`${what}: ${reason}`);
    }
    for (const machine of this.#machines) {
      const rule = report.machines
        .find(({ name }) => name === machine.name)
        ?.errataApplied.find((erratum) => !this.#usualErrata.has(`${machine.name} ${erratum.rule}`))?.rule;
      this.#judgeAnswers(what, meaning, affected, machine, before.get(machine) ?? new Map(), rule);
    }
  }

  #judgeReport(
    what: string,
    meaning: Meaning,
    descriptor: Descriptor,
    affected: readonly LayoutRegion[],
    { verdict, mismatches }: Report,
  ): void {
    if (NOT_DECLARED.has(meaning)) {
      if (affected.length > 0) this.#survives(`not reported: ${meaning}`);
      if (verdict === 'mismatch') this.contradictions.push(`${what}: reported although nothing is declared`);
      return;
    }
    if (affected.length === 0) {
      const [first] = mismatches;
      if (first !== undefined) {
        const where = `${first.privilege} ${first.access} at ${first.address} ${first.remark ?? ''}`;
        this.contradictions.push(`${what}: reported for ${where} although it changes nothing`);
      }
      return;
    }
    let complete = verdict === 'mismatch';
    for (const region of this.#subject.layout.regions) {
      const isHit = mismatches.some((mismatch) => isIn(mismatch, region, descriptor));
      const isAffected = affected.includes(region);
      if (isHit === isAffected) continue;
      if (isAffected) complete = false;
      this.contradictions.push(`${what}: region ${region.name} is ${isHit ? '' : 'not '}reported`);
    }
    if (complete) this.reported++;
    else this.#survives(`not reported: ${meaning}`);
  }

  /**
   * Whether a machine's own answers changed exactly for the affected regions.
   * @param erratum the rule of a known deviation that the flip has provoked
   */
  #judgeAnswers(
    what: string,
    meaning: Meaning,
    affected: readonly LayoutRegion[],
    machine: WarmMachine,
    before: Answers,
    erratum: string | undefined,
  ): void {
    const isObservable =
      meaning !== 'shareability' &&
      (meaning !== 'memory type' || (machine.observes & Known.MemoryType) !== 0);
    const wrong = this.#subject.layout.regions.flatMap((region) => {
      const hasChanged = changedIn(region, before, machine.answers);
      if (hasChanged === (isObservable && affected.includes(region))) return [];
      return `${what}: ${machine.name} answers ${hasChanged ? 'differently' : 'as before'} in region ${region.name}`;
    });
    if (wrong.length > 0 && erratum !== undefined) this.#survives(`${machine.name} deviates: ${erratum}`);
    else this.contradictions.push(...wrong);
    if (affected.length === 0 || NOT_DECLARED.has(meaning) || wrong.length > 0) return;
    if (isObservable) this.observed.set(machine.name, (this.observed.get(machine.name) ?? 0) + 1);
    else this.#survives(`not observed by ${machine.name}: ${meaning}`);
  }

  #survives(how: string): void {
    this.survivors.set(how, (this.survivors.get(how) ?? 0) + 1);
  }
}

/** Whether a mismatch lies in a region, where the descriptor translates it. */
function isIn({ address }: Mismatch, region: LayoutRegion, { first, shift }: Descriptor): boolean {
  const at = BigInt(address);
  const isTranslated = at >= first && at < first + (1n << BigInt(shift));
  return isTranslated && at >= region.base && at < region.base + region.size;
}

function changedIn({ base, size }: LayoutRegion, before: Answers, after: Answers): boolean {
  for (const [key, answer] of before) {
    if (answer.address < base || answer.address >= base + size) continue;
    const now = after.get(key);
    if (now !== undefined && answersDiffer(answer, now)) return true;
  }
  return false;
}
