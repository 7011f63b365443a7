import { Trans, useLingui } from '@lingui/react/macro';
import { Dialog } from '~/ui/dialog';

/** The keys, for those who ask with `?`. */
export function KeysDialog({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const { t } = useLingui();
  const keys: [string[], string][] = [
    [[t`space`, 'K'], t`Play or pause`],
    [['←', '→'], t`5 seconds back or on`],
    [['J', 'L'], t`10 seconds back or on`],
    [['0', '…', '9'], t`To a tenth of the film`],
    [['↑', '↓'], t`Volume`],
    [['M'], t`Sound off or on`],
    [['C'], t`Next subtitles`],
    [['<', '>'], t`Slower or faster`],
    [['F'], t`Full screen`],
    [['Esc'], t`Leave the player`],
    [['?'], t`This list`],
  ];
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={<Trans>Keys</Trans>} closeLabel={t`Close`}>
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-6 gap-y-2.5 text-sm">
        {keys.map(([caps, words]) => (
          <div key={words} className="contents">
            <dt className="flex gap-1.5">
              {caps.map((cap) => (
                <kbd key={cap} className="min-w-7 rounded-sm border border-line-strong px-1.5 py-0.5 text-center font-sans text-xs">
                  {cap}
                </kbd>
              ))}
            </dt>
            <dd className="text-text-2">{words}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
