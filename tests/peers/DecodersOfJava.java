import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Says which decoders find a text in OBX-18: DecodersOfJava FILE TEXT.
 *
 * FILE has messages as lines of hexadecimal digits. Prints for each the names of the decoders that keep ASCII
 * and, in the text that they make of it, find TEXT in a component of the eighteenth field of an OBX.
 */
public final class DecodersOfJava {
    public static void main(String[] args) throws Exception {
        List<Charset> sets = new ArrayList<>();
        for (Charset set : Charset.availableCharsets().values()) {
            if (keepsAscii(set)) {
                sets.add(set);
            }
        }
        try (PrintStream out = new PrintStream(System.out, false, "UTF-8")) {
            for (String line : Files.readAllLines(Path.of(args[0]))) {
                byte[] bytes = HexFormat.of().parseHex(line);
                StringBuilder found = new StringBuilder();
                for (Charset set : sets) {
                    if (finds(new String(bytes, set), args[1])) {
                        found.append(set.name()).append(' ');
                    }
                }
                out.println(found.toString().trim());
            }
        }
    }

    /** Whether every ASCII byte is the ASCII character, and no other byte is one. */
    private static boolean keepsAscii(Charset set) {
        for (int value = 0x20; value < 0x7F; value++) {
            boolean isVariant = value == '\\' || value == '~';
            String text = new String(new byte[] {(byte) value}, set);
            if (!isVariant && !text.equals(String.valueOf((char) value))) {
                return false;
            }
        }
        for (int value = 0x80; value < 0x100; value++) {
            String text = new String(new byte[] {(byte) value}, set);
            if (text.chars().anyMatch(character -> character < 0x80)) {
                return false;
            }
        }
        return true;
    }

    private static boolean finds(String text, String wanted) {
        if (!text.contains(wanted)) {
            return false;
        }
        for (String segment : text.split("[\r\n]")) {
            String[] fields = segment.split("\\|", -1);
            if (!fields[0].strip().equals("OBX") || fields.length <= 18) {
                continue;
            }
            for (String part : fields[18].split("[~^&]", -1)) {
                if (part.strip().equals(wanted)) {
                    return true;
                }
            }
        }
        return false;
    }
}
