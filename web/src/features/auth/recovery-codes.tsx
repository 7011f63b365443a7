import { Trans, useLingui } from '@lingui/react/macro';
import { toast } from '~/ui/toast';
import { Button } from '~/ui/button';

/** The recovery codes, this once: to be copied, saved or printed. */
export function RecoveryCodes({ codes, login }: { codes: readonly string[]; login?: string }) {
  const { t } = useLingui();
  const text = [t`Recovery codes for ${location.host}`, login, '', ...codes, ''].filter((line) => line !== undefined).join('\n');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      toast(t`The codes are copied.`);
    } catch {
      toast(t`The browser did not let the codes be copied. Select them, or save them.`, { tone: 'danger' });
    }
  };
  const save = () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    link.download = 'recovery-codes.txt';
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-text-2">
        <Trans>Each of these signs you in once, with your password, when the app or the passkey is lost. They are not shown again.</Trans>
      </p>
      <ul aria-label={t`Recovery codes`} className="flex flex-col gap-1 rounded-md border border-line bg-surface-0 p-4 font-mono text-sm">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="flex flex-wrap gap-2">
        {navigator.clipboard && (
          <Button size="sm" onClick={() => void copy()}>
            <Trans>Copy</Trans>
          </Button>
        )}
        <Button size="sm" onClick={save}>
          <Trans>Save as a file</Trans>
        </Button>
        <Button size="sm" onClick={() => print(text)}>
          <Trans>Print</Trans>
        </Button>
      </div>
    </div>
  );
}

/** Prints a text alone: on paper the page is away. */
function print(text: string) {
  const sheet = document.createElement('pre');
  sheet.textContent = text;
  const style = document.createElement('style');
  style.textContent = '@media screen { body > pre { display: none } } @media print { body > :not(pre) { display: none !important } }';
  document.body.append(sheet, style);
  window.print();
  sheet.remove();
  style.remove();
}
