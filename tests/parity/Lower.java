import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.util.Locale;

/* What lower.c prints, by Java: the character, which place, and the text in lower case. */
public class Lower {
    static final String[][] PLACES = { { "A\u03a3", "a" },  { "A\u03a39", "a" },  { "A\u03a39", "9a" }, { "a", "\u03a3" },
                                       { "a9", "\u03a3" },  { "a9", "9\u03a3" },  { "A\u03a3", "9a" },  { "a", "9\u03a3" },
                                       { "A\u03a3-", "a" }, { "A\u03a3", "-a" } };

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, "UTF-8");
        for (int c = 0x21; c < 0x20000; c++)
            for (int place = 0; place < PLACES.length && (c < 0xD800 || c > 0xDFFF); place++) {
                String text = PLACES[place][0] + new String(Character.toChars(c)) + PLACES[place][1];
                out.print(Integer.toHexString(c) + " " + place + " " + text.toLowerCase(Locale.ENGLISH) + "\n");
            }
        out.flush();
    }
}
