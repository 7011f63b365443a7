import { Trans, useLingui } from '@lingui/react/macro';
import { Button } from '~/ui/button';
import { Input } from '~/ui/field';
import { toast } from '~/ui/toast';

/** A link that is shown this once, to be handed over. */
export function ShownLink({ url }: { url: string }) {
  const { t } = useLingui();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(url);
      toast(t`The link is copied.`);
    } catch {
      toast(t`The browser did not let the link be copied. Select it.`, { tone: 'danger' });
    }
  };
  return (
    <div className="mt-3 flex flex-wrap gap-2">
      <Input aria-label={t`Link`} readOnly value={url} onFocus={(event) => event.target.select()} className="min-w-60 flex-1 font-mono" />
      {navigator.clipboard && (
        <Button onClick={() => void copy()}>
          <Trans>Copy</Trans>
        </Button>
      )}
    </div>
  );
}
