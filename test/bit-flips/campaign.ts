import type { Layout, LayoutRegion } from '../../harness/inputs/layout/layout.ts';
import type { LayoutAgainstCaptureInput, UpkeepRange } from '../../harness/inputs/types.ts';
import type { GuestImage } from '../../harness/machine.ts';
import type { Mismatch, Report } from '../../harness/report.ts';
import { verify } from '../../harness/verify.ts';
import { hex } from '../../src/addresses.ts';
import { Known } from '../../src/outcome-list.ts';
import type { Registers } from '../../src/registers.ts';
import type { Descriptor } from './descriptors.ts';
import type { Manual, Meaning } from './meaning.ts';
import { type Answers, answersDiffer, type WarmMachine } from './warm-machine.ts';
import { descriptorsOf, flipped, type Way, waysOf } from './ways.ts';

/** Tables to spoil, and the layout that they should implement. */
export interface Subject {
  readonly layout: Layout;
  readonly image: GuestImage;
  readonly upkeep: readonly UpkeepRange[];
  readonly manual: Manual;
}

/** The tables as they are now, as a capture that is held against the layout. */
export function inputOf(
  { layout, image, upkeep }: Subject,
  registers: Registers = image.registers,
): LayoutAgainstCaptureInput {
  return {
    kind: 'layout-against-capture',
    name: 'layout',
    captureName: 'spoilt tables',
    architecture: registers.architecture,
    registers,
    memory: image.memory,
    layout,
    upkeep,
    notes: [],
  };
}

/** What became of all flips. */
export interface CampaignResult {
  readonly descriptors: number;
  /** Flips by meaning. */
  readonly flips: ReadonlyMap<Meaning, number>;
  /** Flips that change something, by meaning, and how many of them the verdict reported. */
  readonly changing: ReadonlyMap<Meaning, number>;
  readonly reported: number;
  /** … and how many of them change nothing that the layout declares, see {@link isDeclared}. */
  readonly undeclared: number;
  /** … and, by machine, how many of them its own answers showed. */
  readonly observed: ReadonlyMap<string, number>;
  /** Changing flips that nobody reported, or that a machine's answers did not show, with their number by meaning. */
  readonly survivors: ReadonlyMap<string, number>;
  /** Every contradiction to the statement of meaning, each a sentence. */
  readonly contradictions: readonly string[];
}

/** Whether a layout says of a region what a flip of that meaning changes, so that a verdict can report it. */
function isDeclared(meaning: Meaning, { aarch64 }: LayoutRegion): boolean {
  if (meaning === 'shareability') return aarch64?.share !== undefined;
  if (meaning === 'scope') return aarch64?.global !== undefined;
  return meaning !== 'address space'; // a layout speaks of one physical address space
}

/** What no access shows, so that no machine's answers can change. */
const SHOWN_BY_NO_ACCESS: readonly Meaning[] = ['scope', 'contiguous', 'address space'];
/** What an access shows only to machines that know this column. */
const SHOWN_BY_COLUMN: ReadonlyMap<Meaning, number> = new Map([
  ['memory type', Known.MemoryType],
  ['shareability', Known.Shareability],
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
  readonly changing = new Map<Meaning, number>();
  readonly observed = new Map<string, number>();
  readonly survivors = new Map<string, number>();
  readonly contradictions: string[] = [];
  reported = 0;
  undeclared = 0;
  /** Deviations that the unspoilt tables show already, by machine and rule. */
  readonly #usualErrata = new Set<string>();
  readonly #subject: Subject;
  readonly #machines: readonly WarmMachine[];
  readonly #ways: readonly Way[];
  readonly #descriptors: readonly Descriptor[];

  constructor(subject: Subject, machines: readonly WarmMachine[]) {
    this.#subject = subject;
    this.#machines = machines;
    this.#ways = waysOf(subject.image, subject.layout);
    this.#descriptors = descriptorsOf(this.#ways);
  }

  get descriptors(): number {
    return this.#descriptors.length;
  }

  async run(): Promise<void> {
    const sound = await this.#verify();
    if (sound.verdict !== 'agree') this.contradictions.push(`the unspoilt tables: ${describe(sound)}`);
    for (const { name, errataApplied } of sound.machines) {
      for (const { rule } of errataApplied) this.#usualErrata.add(`${name} ${rule}`);
    }
    const before = new Map(this.#machines.map((machine) => [machine, machine.answers]));
    const { memory } = this.#subject.image;
    for (const descriptor of this.#descriptors) {
      for (let bit = 0; bit < 64; bit++) {
        memory.writeEntry(descriptor.entryAddress, descriptor.value ^ (1n << BigInt(bit)));
        const report = await this.#verify();
        memory.writeEntry(descriptor.entryAddress, descriptor.value);
        this.#judge(descriptor, bit, report, before);
      }
    }
  }

  async #verify(): Promise<Report> {
    return await verify(inputOf(this.#subject), {
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
    const meaning = this.#subject.manual.meaningOf(bit, descriptor);
    const flip: Flip = { meaning, descriptor, ...this.#affectedBy(descriptor, bit, meaning) };
    const what = describeFlip(flip, bit);
    count(this.flips, meaning);
    if (flip.affected.length > 0) count(this.changing, meaning);
    if (flip.affected.length > 0 && meaning === 'nothing')
      this.contradictions.push(`${what}: it changes something`);
    this.#judgeReport(what, flip, report);
    for (const { status, reason } of report.machines) {
      if (status !== 'ran') this.contradictions.push(`${what}: ${reason}`);
    }
    for (const machine of this.#machines) {
      const rule = report.machines
        .find(({ name }) => name === machine.name)
        ?.errataApplied.find((erratum) => !this.#usualErrata.has(`${machine.name} ${erratum.rule}`))?.rule;
      this.#judgeAnswers(what, flip, machine, before.get(machine) ?? new Map(), rule);
    }
  }

  /** What a flip changes, and for which regions. */
  #affectedBy(descriptor: Descriptor, bit: number, meaning: Meaning): Affected {
    const { seen } = this.#subject.manual;
    const affected = new Set<LayoutRegion>();
    const shown = new Set<LayoutRegion>();
    const open = new Set<LayoutRegion>();
    for (const way of this.#ways) {
      const after = flipped(way, descriptor, bit);
      if (after === undefined) continue;
      const [was, is] = [seen(way), seen(after)];
      const always = ALWAYS_CHANGING.includes(meaning);
      if (always || was.declared !== is.declared) affected.add(way.region);
      if (always || was.shown !== is.shown) shown.add(way.region);
      if (is.shown === undefined) open.add(way.region);
    }
    return { affected: [...affected], shown, open };
  }

  #judgeReport(what: string, { meaning, descriptor, affected }: Flip, { mismatches }: Report): void {
    const toReport = affected.filter((region) => isDeclared(meaning, region));
    if (toReport.length === 0) {
      const [first] = mismatches;
      if (first !== undefined) {
        const where = `${first.privilege} ${first.access} at ${first.address} ${first.remark ?? ''}`;
        this.contradictions.push(
          `${what}: reported for ${where} although it changes nothing that is declared`,
        );
      }
      if (affected.length === 0) return;
      this.undeclared++;
      count(this.survivors, `not declared: ${meaning}`);
      return;
    }
    const wrong = this.#subject.layout.regions.filter(
      (region) =>
        mismatches.some((mismatch) => this.#isIn(mismatch, region, descriptor)) !== toReport.includes(region),
    );
    for (const region of wrong) {
      const isMissing = toReport.includes(region);
      this.contradictions.push(`${what}: region ${region.name} is ${isMissing ? 'not ' : ''}reported`);
    }
    if (toReport.every((region) => !wrong.includes(region))) this.reported++;
    else count(this.survivors, `not reported: ${meaning}`);
  }

  /** Whether a mismatch lies in a region, where the descriptor translates it. */
  #isIn({ address }: Mismatch, { base, size }: LayoutRegion, { stage, first, shift }: Descriptor): boolean {
    const at = BigInt(address);
    const isVirtual = stage === 1 || this.#ways.every(({ one }) => one.length === 0);
    const isTranslated = !isVirtual || (at >= first && at < first + (1n << BigInt(shift)));
    return isTranslated && at >= base && at < base + size;
  }

  /**
   * Whether a machine's own answers changed exactly for the affected regions.
   * @param erratum the rule of a known deviation that the flip has provoked
   */
  #judgeAnswers(
    what: string,
    { meaning, affected, shown, open }: Flip,
    machine: WarmMachine,
    before: Answers,
    erratum: string | undefined,
  ): void {
    const column = SHOWN_BY_COLUMN.get(meaning);
    const isObservable =
      !SHOWN_BY_NO_ACCESS.includes(meaning) && (column === undefined || (machine.observes & column) !== 0);
    const wrong = this.#subject.layout.regions.flatMap((region) => {
      const hasChanged = changedIn(region, before, machine.answers);
      if (open.has(region) || hasChanged === (isObservable && shown.has(region))) return [];
      return `${what}: ${machine.name} answers ${hasChanged ? 'differently' : 'as before'} in region ${region.name}`;
    });
    if (wrong.length > 0 && erratum !== undefined) {
      count(this.survivors, `${machine.name} deviates: ${erratum}`);
    } else this.contradictions.push(...wrong);
    if (affected.length === 0 || wrong.length > 0) return;
    count(
      isObservable ? this.observed : this.survivors,
      isObservable ? machine.name : `not observed by ${machine.name}: ${meaning}`,
    );
  }
}

/** The regions for which a flip … */
interface Affected {
  /** … changes what some access is given. */
  readonly affected: readonly LayoutRegion[];
  /** … changes what a machine shows that can show it. */
  readonly shown: ReadonlySet<LayoutRegion>;
  /** … has an effect that the architecture leaves open. */
  readonly open: ReadonlySet<LayoutRegion>;
}

interface Flip extends Affected {
  readonly meaning: Meaning;
  readonly descriptor: Descriptor;
}

/** What is not compared by what is seen. */
const ALWAYS_CHANGING: readonly Meaning[] = ['translation', 'contiguous', 'address space'];

function describeFlip({ meaning, descriptor }: Flip, bit: number): string {
  const { stage, isLeaf, value, entryAddress } = descriptor;
  return `bit ${bit} (${meaning}) of the stage ${stage} ${isLeaf ? 'leaf' : 'table'} descriptor ${hex(value)} at ${hex(entryAddress)}`;
}

function describe({ verdict, mismatches }: Report): string {
  const [first] = mismatches;
  return `${verdict} ${first === undefined ? '' : JSON.stringify(first)}`;
}

function changedIn({ base, size }: LayoutRegion, before: Answers, after: Answers): boolean {
  for (const [key, answer] of before) {
    if (answer.address < base || answer.address >= base + size) continue;
    const now = after.get(key);
    if (now !== undefined && answersDiffer(answer, now)) return true;
  }
  return false;
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
